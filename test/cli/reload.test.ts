import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { EdgeSourceStatus, EdgeStatus } from '../../src/cli/edge-status.ts'
import { controlPath } from '../../src/cli/state-paths.ts'
import { control } from '../../src/console/control-client.ts'
import { PlantUnderTest } from '../live/plant.ts'
import { until } from '../support/until.ts'

let plant: PlantUnderTest
const SOURCES = (...sources: string[]) => `sources:\n${sources.map(source => `  ${source}\n`).join('')}`
const GENERATOR = 'gone: { generator: { records_per_second: 0, count: 300 } }'
const FILE = (delimiter: string, name = 'lines') =>
  `${name}: { file: { path: $DIR/lines.txt, every: 20ms, delimiter: "${delimiter}" } }`
const BOILER = (name: string) => `${name}: { serial: { path: $PORT } }`

beforeEach(async () => {
  const pipeline = SOURCES(BOILER('boiler'), GENERATOR, FILE('\\n'))
  plant = await PlantUnderTest.create({ topic: 'plant', log: '{ sqlite: {} }', pipeline })
  writeFileSync(plant.path('lines.txt'), '')
  plant.edge.start()
})
afterEach(() => plant.end())

/** Asked on the socket itself: a process for each question would take most of the time. */
async function edgeStatus(): Promise<EdgeStatus | undefined> {
  return control<EdgeStatus>(controlPath(plant.path('edge'), 'edge'), 'status', {}).catch(() => undefined)
}

async function source(name: string): Promise<EdgeSourceStatus | undefined> {
  return (await edgeStatus())?.sources.find(each => each.source === name)
}

function change(pipeline: string): void {
  const text = pipeline.replaceAll('$DIR', plant.folder).replaceAll('$PORT', plant.path('usb-port0'))
  writeFileSync(plant.path('pipeline.yaml'), `pipeline: plant\ndurability: 10ms\n${text}`)
}

test('a changed file begins anew what changed and nothing else; what is renamed or removed still drains, and nothing is lost or repeated', async () => {
  await until('all three have begun', async () => {
    const status = await edgeStatus()
    return status?.sources.every(each => each.state !== 'starting' && each.state !== 'waiting') && status.sources.length === 3
  })
  plant.device.write('one\ntwo\n')
  appendFileSync(plant.path('lines.txt'), 'a\nb\n')
  await until('the device was read', async () => (await source('boiler'))?.read === 2)
  await until('the file was read', async () => (await source('lines'))?.read === 2)
  await until('the generator is done', async () => (await source('gone'))?.read === 300)

  // The core is away: all of it is buffered. One is removed, one renamed, one changed, and one is new.
  const other = 'other: { generator: { records_per_second: 0, count: 50 } }'
  change(SOURCES(BOILER('furnace'), FILE(';'), other))
  await until('the new name reads the port', async () => (await source('furnace'))?.state === 'reading')
  plant.device.write('three\n')
  appendFileSync(plant.path('lines.txt'), 'c;d;')
  await until('it was read', async () => (await source('furnace'))?.read === 1)
  await until('the file goes on where it was', async () => (await source('lines'))?.read === 2)
  expect(await source('boiler')).toMatchObject({ state: 'removed', buffered: { records: 2 } })
  expect(await source('gone')).toMatchObject({ state: 'removed', buffered: { records: 300 } })
  const before = await source('other')

  // A bad file: refused as a whole, said with its place, and what runs goes on.
  writeFileSync(plant.path('pipeline.yaml'), 'pipeline: plant\nsources:\n  furnace: { seriall: {} }\n')
  const alarm = await until('the alarm', async () =>
    (await edgeStatus())?.alarms.find(each => (each as { code: string }).code === 'config_refused'),
  )
  expect((alarm as { message: string }).message).toContain('pipeline.yaml:3:14: unknown key "seriall"')
  // Its lines come to the file a moment after the alarm, on a busy machine.
  await until('the log says so', async () => readFileSync(plant.path('edge.log'), 'utf8').includes('is refused'))
  plant.device.write('four\n')
  await until('it still reads', async () => (await source('furnace'))?.read === 2)

  // Corrected, and taken over at once by the signal; what did not change was never stopped.
  change(SOURCES(BOILER('furnace'), FILE(';'), other, 'late: { generator: { records_per_second: 0, count: 7 } }'))
  process.kill(plant.edge.pid ?? 0, 'SIGHUP')
  await until('the late one is done', async () => (await source('late'))?.read === 7)
  expect((await edgeStatus())?.alarms).toEqual([])
  expect(await source('furnace')).toMatchObject({ state: 'reading', read: 2 })
  expect((await source('other'))?.read).toBe(before?.read)

  // A restart in between, and then the core: every record comes once, in its source's order.
  expect(await plant.edge.stop()).toBe(0)
  plant.core.start()
  await until('the core is there', () => control(controlPath(plant.path('core'), 'core'), 'status', {}).catch(() => undefined))
  plant.edge.start()
  const expected = { boiler: 2, furnace: 2, gone: 300, lines: 4, other: 50, late: 7 }
  await until('all is settled', async () => {
    const sources = (await edgeStatus())?.sources ?? []
    return Object.entries(expected).every(([name, count]) => sources.find(each => each.source === name)?.settled === count)
  })
  const values = async (name: string, count: number) =>
    (await plant.tail(`plant-b/${name}`, count)).map(line => (line as { value: string }).value)
  expect(await values('boiler', 2)).toEqual(['one', 'two'])
  expect(await values('furnace', 2)).toEqual(['three', 'four'])
  expect(await values('lines', 4)).toEqual(['a', 'b', 'c', 'd'])
})
