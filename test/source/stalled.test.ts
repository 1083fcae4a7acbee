import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { STALLED_AFTER_MS, START_ANEW_AFTER_MS, StallWatch } from '../../src/cli/stall-watch.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { SerialSource, serial } from '../../src/source/serial.ts'
import type { SerialHandle } from '../../src/source/serial-machine.ts'
import { type SerialOptions, serialOptions } from '../../src/source/serial-options.ts'
import { defineSource } from '../../src/source/source.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { SourceBench } from './harness.ts'

const HOUR_MS = 3_600_000
const never = <T>() => new Promise<T>(() => {})

/** A port at which a device keeps silent; `broken`: what of its driver does not come back. */
function portThat(broken: Partial<SerialHandle>): SerialHandle {
  let close = () => {}
  const closed = new Promise<never>((_, reject) => {
    close = () => reject(new Error('closed'))
  })
  closed.catch(() => {})
  return {
    read: () => closed,
    write: async () => {},
    drain: async () => {},
    flush: async () => {},
    update: async () => {},
    set: async () => {},
    close: async () => close(),
    ...broken,
  }
}

describe('a port whose device is asked every five seconds and keeps silent', () => {
  let clock: SimulatedClock
  let bench: SourceBench
  let alarms: Alarms
  let watch: StallWatch
  beforeEach(() => {
    clock = new SimulatedClock()
    bench = new SourceBench()
    bench.clock = clock
    alarms = new Alarms(clock)
  })
  afterEach(() => watch.stop())

  /** Runs the real source on that port, watched as an agent watches it. */
  function run(open: () => Promise<SerialHandle>) {
    const machine = { open, isThere: () => true, sysRoot: '/none', procRoot: '/none' }
    const kind = defineSource<SerialOptions>({
      ...serial,
      options: serialOptions,
      open: (o, c) => new SerialSource(o, c, machine),
    })
    const runner = bench.start(kind, { path: '/dev/ttyS9', ask: { requests: ['M\\r\\n'], every: '5s', timeout: '100ms' } })
    watch = new StallWatch(clock, alarms, () => [{ source: 'source-1', overdueMs: runner.overdueMs }])
    watch.start()
    return runner
  }
  const codes = () => alarms.list().map(({ code }) => code)

  test('is no reason for anything', async () => {
    const runner = run(async () => portThat({}))
    for (let minute = 0; minute < 10; minute++) {
      await clock.pass(60_000)
      expect(codes()).toEqual([])
    }
    expect(runner.status().trouble['no answer']).toBeGreaterThan(100)
    expect(watch.standing()).toBeUndefined()
    await bench.end()
  })

  test.each([
    ['a request that the driver never takes', async () => portThat({ write: never })],
    ['what came that the driver never throws away', async () => portThat({ flush: never })],
    ['a port that never opens', never<SerialHandle>],
  ])('%s makes the gateway unwell, and after ten minutes the watchdog hungry', async (_, open) => {
    run(open)
    await clock.pass(STALLED_AFTER_MS + 15_000)
    expect(codes()).toEqual(['source_stalled'])
    expect(watch.standing()).toBeUndefined()
    await clock.pass(START_ANEW_AFTER_MS)
    expect(watch.standing()).toMatch(/^source-1 has not been read for \d+ s$/)
  })

  test('a port that never closes is no less, though its source was told to stop: nobody saw it, and a change of the configuration waited for good', async () => {
    const runner = run(async () => portThat({ close: never }))
    await clock.pass(5_500)
    void runner.stop()
    await clock.pass(STALLED_AFTER_MS + 15_000)
    expect(codes()).toEqual(['source_stalled'])
    await clock.pass(START_ANEW_AFTER_MS)
    expect(watch.standing()).toMatch(/^source-1 has not been read for \d+ s$/)
  })

  test('one that has stopped has nothing to do any more', async () => {
    const runner = run(async () => portThat({}))
    await clock.pass(5_500)
    await runner.stop()
    await clock.pass(HOUR_MS)
    expect(codes()).toEqual([])
  })

  test('a loop that comes back after all is well again', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    run(async () => portThat({ write: () => promise }))
    await clock.pass(60_000)
    expect(codes()).toEqual(['source_stalled'])
    resolve()
    await clock.pass(10_000)
    expect(codes()).toEqual([])
    await bench.end()
  })

  test('a process that was frozen for an hour finds nothing stalled', async () => {
    const runner = run(async () => portThat({}))
    await clock.pass(5_500)
    watch.stop()
    // Its timers fire late, all at once: the watch may be the first that looks.
    const frozen = { ...clock, monotonicMs: () => clock.monotonicMs() + HOUR_MS }
    watch = new StallWatch(frozen as never, alarms, () => [{ source: 'source-1', overdueMs: runner.overdueMs + HOUR_MS }])
    watch.look()
    expect(codes()).toEqual([])
    await bench.end()
  })

  test('a source that is held back by a full buffer has all the time in the world', async () => {
    bench.full = true
    const kind = defineSource({
      ...serial,
      options: serialOptions,
      gives: 'messages',
      open: (_, context) => ({
        start: async () => {
          context.turn(1_000)
          context.message(Buffer.from('x'), 0)
        },
        stop: async () => {},
        pause: () => {},
        resume: () => {},
      }),
    })
    const runner = bench.start(kind, { path: '/dev/ttyS9' })
    watch = new StallWatch(clock, alarms, () => [{ source: 'source-1', overdueMs: runner.overdueMs }])
    watch.start()
    await clock.pass(HOUR_MS)
    expect(runner.status().state).toBe('blocked')
    expect(codes()).toEqual([])
    bench.roomAgain()
    expect(runner.overdueMs).toBe(0)
    await clock.pass(STALLED_AFTER_MS + 15_000)
    expect(codes()).toEqual(['source_stalled'])
    await bench.end()
  })
})
