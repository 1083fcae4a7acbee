import { rmSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { controlPath } from '../../src/cli/state-paths.ts'
import { control } from '../../src/console/control-client.ts'
import { PlantUnderTest } from '../live/plant.ts'
import { until } from '../support/until.ts'

let plant: PlantUnderTest
type EdgeStatus = NonNullable<Awaited<ReturnType<PlantUnderTest['edgeStatus']>>>
const PIPELINE = `sources:
  pump: { generator: { records_per_second: 0, count: 20 } }
`
/** So often the gateway was started before it was lost: the new one, which begins with its first session, comes below. */
const SESSIONS_BEFORE = 3

beforeEach(async () => {
  plant = await PlantUnderTest.create({ topic: 'plant', log: '{ sqlite: {} }', pipeline: PIPELINE })
})
afterEach(() => plant.end())

/** Asked on the socket itself: a process for each question would take most of the time. */
const edge = () => control<EdgeStatus>(controlPath(plant.path('edge'), 'edge'), 'status', {}).catch(() => undefined)
const link = async () => (await edge())?.link
const startAndSend = async () => {
  plant.edge.start()
  await until('the gateway is let in', async () => (await link())?.state === 'sending')
}

test('a gateway that was replaced is let in by a command, and not before', async () => {
  plant.core.start()
  for (let session = 0; session < SESSIONS_BEFORE; session++) {
    await startAndSend()
    await plant.edge.stop()
  }
  rmSync(plant.path('edge'), { recursive: true })
  plant.edge.start()
  await until('the new one is refused', async () => (await link())?.state === 'refused')
  expect((await edge())?.alarms).toMatchObject([{ code: 'other_instance' }])

  const mistaken = await plant.command('gateway', 'forget', 'plant-c')
  expect(mistaken).toMatchObject({ code: 2, stderr: expect.stringContaining('Did you mean plant-b?') })
  expect((await link())?.state, 'it was another that was forgotten').toBe('refused')

  const { stdout } = await plant.command('gateway', 'forget', 'plant-b', '--json')
  expect(JSON.parse(stdout)).toEqual({ outcome: 'forgotten', gateway: 'plant-b', was_connected: false })
  // It would ask again by itself; started anew it does so at once.
  await plant.edge.stop()
  await startAndSend()
  expect((await edge())?.alarms.map(({ code }) => code)).not.toContain('other_instance')
})
