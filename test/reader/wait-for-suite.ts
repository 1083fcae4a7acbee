import { describe, expect, test } from 'vitest'
import type { Brokers } from './job-world.ts'
import { SchedulerRig } from './scheduler-rig.ts'

/** What a job waits for before it begins, over the embedded log, or over Kafka. */
export function describeWaitFor(brokers?: Brokers): void {
  const rig = new SchedulerRig(brokers)
  const { start, restart, at, times } = rig

  describe('wait_for', () => {
    const WAITS = { wait_for: { within: '10m', at_most: '1h' } }
    const told = () => rig.world.ledger.runs('plant.load', 9).map(({ missing }) => missing)

    test('begins when every source has data up to then', async () => {
      await rig.world.lay('a', ['early'], Date.parse('2026-01-02T01:40:00Z'))
      await rig.world.lay('b', ['in time'], Date.parse('2026-01-02T01:55:00Z'))
      await start('2026-01-01T12:00:00Z', WAITS)
      await at('2026-01-02T02:00:00Z', '2026-01-02T02:10:00Z')
      expect(times()).toEqual([])
      expect((await rig.scheduler.status())[0]?.waiting_for).toEqual(['g/a'])
      await rig.world.lay('a', ['late'], Date.parse('2026-01-02T01:51:00Z'))
      await at('2026-01-02T02:20:00Z')
      expect(times()).toEqual(['2026-01-02T02:00'])
      expect(told()).toEqual([[]])
    })

    test('waits so long, then runs and says which source is missing; one that has never brought anything too', async () => {
      await rig.world.lay('a', ['early'], Date.parse('2026-01-02T01:40:00Z'))
      await start('2026-01-01T12:00:00Z', { ...WAITS, run: ['sh', '-c', 'cat > in; echo "$HEADRACE_MISSING" > missing'] }, [
        'a',
        'never',
      ])
      await at('2026-01-02T02:00:00Z', '2026-01-02T02:59:59Z')
      expect(times()).toEqual([])
      await at('2026-01-02T03:00:00Z')
      expect(times()).toEqual(['2026-01-02T02:00'])
      expect(told()).toEqual([['g/a', 'never']])
      expect(rig.world.read('missing')).toBe('g/a never\n')
    })

    test('waits on after a restart', async () => {
      await rig.world.lay('a', ['early'], Date.parse('2026-01-02T01:40:00Z'))
      await start('2026-01-01T12:00:00Z', WAITS)
      await at('2026-01-02T02:00:00Z')
      await restart('2026-01-02T02:05:00Z', WAITS)
      expect(times()).toEqual([])
      await at('2026-01-02T03:00:01Z')
      expect(times()).toEqual(['2026-01-02T02:00'])
    })
  })

  describe('wait_for of a job', () => {
    const WAITS = { wait_for: { within: '10m', at_most: '2h' } }

    test('that leaves missed runs to the next waits no shorter: a run that waits is not missed', async () => {
      await rig.world.lay('a', ['early'], Date.parse('2026-01-02T01:40:00Z'))
      await start('2026-01-01T12:00:00Z', { ...WAITS, catch_up: 'no' })
      await at('2026-01-02T02:00:00Z', '2026-01-02T02:10:00Z', '2026-01-02T02:20:00Z')
      await rig.world.lay('a', ['late'], Date.parse('2026-01-02T01:51:00Z'))
      await at('2026-01-02T02:30:00Z')
      expect(times()).toEqual(['2026-01-02T02:00'])
    })

    test('that is due again before it has waited for the most begins all the same', async () => {
      await rig.world.lay('a', ['early'], Date.parse('2026-01-01T11:00:00Z'))
      await start('2026-01-01T12:30:00Z', { ...WAITS, schedule: '0 * * * *' })
      const every10Minutes = Array.from({ length: 27 }, (_, index) =>
        new Date(Date.parse('2026-01-01T13:00:00Z') + index * 600_000).toISOString(),
      )
      await at(...every10Minutes)
      // The run of 13:00 until 15:00, then that of 15:00 until 17:00; what was due meanwhile is the latest of it, as ever.
      expect(times()).toEqual(['2026-01-01T13:00', '2026-01-01T15:00'])
      expect(rig.world.ledger.runs('plant.load', 9).map(({ missing }) => missing)).toEqual([['g/a'], ['g/a']])
    })
  })
}
