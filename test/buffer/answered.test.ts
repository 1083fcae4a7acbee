import { afterEach, beforeEach, expect, test } from 'vitest'
import { openInlineStore } from '../../src/buffer/inline-store.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { Watchdog } from '../../src/runtime/watchdog.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { Bench } from './harness.ts'

let bench: Bench
beforeEach(() => {
  bench = new Bench()
})
afterEach(() => bench.end())

test('answers behind what was asked before, and writes nothing', async () => {
  const buffer = await bench.open()
  const { writtenBytes } = buffer.disk()
  for (let n = 0; n < 10; n++) await buffer.answered()
  expect(buffer.disk().writtenBytes).toBe(writtenBytes)
})

test('a store whose commit never ends starves the watchdog, though every timer goes on', async () => {
  let hangs = false
  const stuck = Promise.withResolvers<never>()
  const buffer = await bench.open({
    openStore: options => {
      const store = openInlineStore(options)
      return { ...store, commit: commit => (hangs ? stuck.promise : store.commit(commit)) }
    },
  })
  const clock = new SimulatedClock()
  let fed = 0
  const watchdog = new Watchdog({
    vitals: [{ part: 'buffer', check: () => buffer.answered().then(() => undefined) }],
    everyMs: 1_000,
    feed: async () => {
      fed += 1
    },
    clock,
    log: silentLogger,
  })
  watchdog.start()
  await clock.pass(3_000)
  expect(fed).toBeGreaterThan(1)
  hangs = true
  const value = Buffer.from('x')
  buffer.inlet('pump-1').append(1_000, value, 0, value.length)
  const isStuck = buffer.inlet('pump-1').stored()
  await new Promise(resolve => setImmediate(resolve))
  const before = fed
  await clock.pass(10_000)
  expect(fed - before).toBeLessThanOrEqual(1)
  watchdog.stop()
  stuck.reject(new Error('over'))
  hangs = false
  await isStuck
})
