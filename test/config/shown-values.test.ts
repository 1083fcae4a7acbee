import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { shownConfig } from '../../src/cli/shown-config.ts'

const folder = mkdtempSync(join(tmpdir(), 'headrace-shown-'))
const edge = join(folder, 'edge.yaml')
const pipeline = join(folder, 'p.yaml')

beforeAll(() => {
  writeFileSync(
    edge,
    `gateway: plant-a-1
state: state
hardware: raspberry-pi-rs485
uplink: { url: "amqp://core:5672" }
buffer: { quota: 2GiB }
pipelines: [p.yaml]
`,
  )
  writeFileSync(
    pipeline,
    `pipeline: p
sources:
  weather:
    http:
      url: "https://anna:hunter2@weather.example/now?key=abc123"
      headers: { x-api-key: abc456 }
analysers:
  hot: { sources: [weather], every: 1m, when: "avg(t) > 90", alert: { webhook: "https://anna:hun@ter3@hooks.example/services/abc789" } }
`,
  )
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function valuesOf(file: string): Record<string, readonly [value: string, origin: string]> {
  const values = shownConfig(edge).find(each => each.file === file)?.values ?? []
  return Object.fromEntries(values.map(({ path, value, origin }) => [path, [value, origin]]))
}

test('each value says whether it stands in the file and where, comes from a profile, or is the default', () => {
  const ofEdge = valuesOf(edge)
  expect(ofEdge['gateway']).toEqual(['plant-a-1', `${edge}:1:10`])
  expect(ofEdge['buffer.quota']).toEqual(['2GiB', `${edge}:5:18`])
  expect(ofEdge['buffer.rewind']).toEqual(['64MiB', 'default'])
  expect(ofEdge['uplink.mode']).toEqual(['direct', 'default'])
  const ofPipeline = valuesOf(pipeline)
  expect(ofPipeline['durability']).toEqual(['1s', 'profile raspberry-pi-rs485'])
  expect(ofPipeline['sources.weather.http.every']).toEqual(['10s', 'default'])
  expect(ofPipeline['analysers.hot.every']).toEqual(['1m', expect.stringMatching(/p\.yaml:8:\d+$/)])
})

test('secrets are hidden: logins and queries in addresses, headers, paths of webhooks', () => {
  const text = JSON.stringify(shownConfig(edge))
  for (const secret of ['hunter2', 'abc123', 'abc456', 'abc789', 'anna', 'ter3']) expect(text).not.toContain(secret)
  expect(valuesOf(pipeline)['sources.weather.http.url']?.[0]).toBe('https://***@weather.example/now?***')
  expect(valuesOf(pipeline)['analysers.hot.alert.webhook']?.[0]).toBe('https://***@hooks.example/***')
})

test('all that an example says is shown as text', () => {
  const values = shownConfig(join(import.meta.dirname, '../../pipelines/cold-store.yaml'))[0]?.values ?? []
  expect(values.length).toBeGreaterThan(10)
  for (const { value } of values) expect(value).not.toMatch(/^(undefined|\[object)/)
})
