import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type CheckedEdge, checkEdge } from '../../src/config/checked-edge.ts'
import { ConfigError } from '../../src/config/errors.ts'
import { jsonSchemas, loadEdge } from '../../src/config/load.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-check-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function edge(name: string, pipeline: string): string {
  writeFileSync(join(folder, `${name}-pipeline.yaml`), pipeline)
  const file = join(folder, `${name}.yaml`)
  writeFileSync(file, `gateway: g\nstate: s\nuplink: { url: "amqp://c" }\npipelines: [${name}-pipeline.yaml]\n`)
  return file
}

const SOURCES = `sources:
  bus: { modbus: { tcp: "10.0.0.7:502", unit: 1, device: eastron-sdm120, every: 1s }, steps: [{ filter: "voltage_v > 5" }] }
  port: { serial: { path: /dev/ttyS9 }, frame: { delimiter: "\\r\\n" }, decode: { csv: [a, b] }, buffer: { ttl: 1h } }
`

const plain = ({ config, pipelines }: CheckedEdge) => ({
  config,
  pipelines: pipelines.map(({ file, folder: lies, topic, config: of }) => ({ file, lies, topic, of })),
})

test('what another process has checked is what would be loaded here, as plain data', async () => {
  const file = edge('right', `pipeline: p\n${SOURCES}`)
  const checked = await checkEdge(file)
  expect(plain(checked)).toEqual(plain(loadEdge(file)))
  // Plain: its text stayed there.
  expect(checked.pipelines.map(pipeline => 'document' in pipeline)).toEqual([false])
})

test('a pipeline with analysers comes with its text, in which its modules may yet be wrong', async () => {
  const analyser = 'analysers: { hot: { sources: ["*"], module: ./hot.ts } }\n'
  const checked = await checkEdge(edge('analysers', `pipeline: p\n${SOURCES}${analyser}`))
  expect(checked.pipelines.map(pipeline => 'document' in pipeline)).toEqual([true])
})

test('what is wrong is said as it would be here, at its place', async () => {
  const file = edge('wrong', 'pipeline: p\nsources: { a: { serial: { path: /dev/x, bauds: 9600 } } }\n')
  await expect(checkEdge(file)).rejects.toBeInstanceOf(ConfigError)
  await expect(checkEdge(file)).rejects.toThrow(/wrong-pipeline\.yaml:2:41: unknown key "bauds" in serial; did you mean "baud"\?/)
})

test('a schema of pipelines into which one was built that was not made yet could not be printed in a bundle', () => {
  const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
  const args = [
    '--import',
    here('./zod-on-demand-preload.mjs'),
    here('../../src/cli/main.ts'),
    'validate',
    '--schema',
    'pipeline',
  ]
  expect(JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }))).toEqual(jsonSchemas().pipeline)
})
