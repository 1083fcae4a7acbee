import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadEdge } from '../../src/config/load.ts'

const folder = mkdtempSync(join(tmpdir(), 'headrace-hardware-'))
beforeAll(() => {
  writeFileSync(join(folder, 'silent.yaml'), 'pipeline: silent\nsources: {}\n')
  writeFileSync(join(folder, 'says.yaml'), 'pipeline: says\ndurability: 20ms\nsources: {}\n')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function edge(hardware: string) {
  const file = join(folder, 'edge.yaml')
  writeFileSync(
    file,
    `gateway: g\nstate: s\n${hardware}uplink: { url: "amqp://127.0.0.1:1" }\npipelines: [silent.yaml, says.yaml]\n`,
  )
  return loadEdge(file).pipelines.map(({ config }) => config.durability)
}

test('pipelines that say no durability have the one that suits the storage of the gateway', () => {
  expect(edge('')).toEqual([50, 20])
  expect(edge('hardware: raspberry-pi-rs485\n')).toEqual([1_000, 20])
})

test('a gateway that nobody has described is refused at its place', () => {
  expect(() => edge('hardware: raspberry-pi-rs48\n')).toThrow(/edge\.yaml:3:11: .*did you mean "raspberry-pi-rs485"/)
})
