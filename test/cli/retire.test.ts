import { afterEach, beforeEach, expect, test } from 'vitest'
import type { CoreProcess } from '../../src/cli/core-process.ts'
import type { EdgeSourceStatus } from '../../src/cli/edge-status.ts'
import { controlPath } from '../../src/cli/state-paths.ts'
import { control } from '../../src/console/control-client.ts'
import { PlantUnderTest } from '../live/plant.ts'
import { headrace } from '../support/headrace-process.ts'
import { until } from '../support/until.ts'

let plant: PlantUnderTest
type CoreSource = Awaited<ReturnType<CoreProcess['status']>>['sources'][number]
const PIPELINE = `sources:
  boiler: { serial: { path: $PORT }, decode: { csv: [temp_c] }, fields: { temp_c: { type: number, unit: "°C" } } }
  pump: { generator: { records_per_second: 0, count: 20 } }
`

beforeEach(async () => {
  plant = await PlantUnderTest.create({ topic: 'plant', log: '{ sqlite: {} }', pipeline: PIPELINE })
  plant.edge.start()
})
afterEach(() => plant.end())

const onEdge = (...args: string[]) => headrace([...args, '--config', plant.path('edge.yaml')])
/** Asked on the sockets themselves: a process for each question would take most of the time. */
const ask = <Answer>(role: 'edge' | 'core') =>
  control<Answer>(controlPath(plant.path(role), role), 'source.list', {}).catch(() => undefined)
const boiler = async () => (await ask<EdgeSourceStatus[]>('edge'))?.find(({ source }) => source === 'boiler')
const inRegistry = async () => (await ask<CoreSource[]>('core'))?.find(({ source }) => source === 'plant-b/boiler')

test('a source is retired: it is read no more, drains, is marked, stays so after a restart, and comes back to its own partition only', async () => {
  await until('the port is read', async () => (await boiler())?.state === 'reading')
  plant.device.write('20\n21\n')
  await until('both were read', async () => (await boiler())?.read === 2)

  // The core is away: what is buffered waits for it.
  const retired = await onEdge('source', 'retire', 'plant-b/boiler')
  expect(retired).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/2 records of it still go to the core\. Take it out of pipeline plant/),
  })
  expect(await boiler()).toMatchObject({ state: 'retired', buffered: { records: 2 } })
  plant.device.write('22\n')
  expect(await onEdge('source', 'retire', 'none')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('Known: boiler, pump'),
  })
  expect(await plant.edge.stop()).toBe(0)
  plant.edge.start()
  await until('it is still retired', async () => (await boiler())?.state === 'retired')

  plant.core.start()
  await until('the registry has it as retired, with all its records', async () => {
    const entry = await inRegistry()
    return typeof entry?.retired === 'string' && entry.next === 2
  })
  const before = await inRegistry()
  expect(before).toMatchObject({ fields: { temp_c: { type: 'number', unit: '°C' } } })
  expect((await plant.command('status')).stdout).toContain('retired on')
  expect(await boiler()).toMatchObject({
    settled: 2,
    buffered: { records: 0 },
    reason: expect.stringMatching(/^retired on [^;]+$/),
  })
  // A core leaves a gateway that is there to itself.
  expect(await plant.command('source', 'retire', 'plant-b/pump')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('plant-b is connected'),
  })

  expect(await onEdge('source', 'resume', 'boiler')).toMatchObject({ code: 0 })
  await until('the port is read again', async () => (await boiler())?.state === 'reading')
  plant.device.write('23\n')
  await until('it has come', async () => ((await boiler())?.settled ?? 0) >= 4)
  expect(await inRegistry()).toMatchObject({ retired: null, partition: before?.partition })

  // A gateway that is gone for good: the core marks its sources.
  expect(await plant.edge.stop()).toBe(0)
  const gone = await until('the core has noticed', async () => {
    const said = await plant.command('source', 'retire', 'plant-b/pump', '--json')
    return said.code === 0 && said
  })
  expect(JSON.parse(gone.stdout)).toMatchObject({ outcome: 'retired', topic: 'plant' })
})
