import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../src/runtime/logger.ts'
import { ServiceManager } from '../../src/runtime/service-manager.ts'
import { stillFor, type Vital, Watchdog } from '../../src/runtime/watchdog.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

const EVERY_MS = 15_000

/** How often it was fed while the clock went on for so long, ms. */
async function fedWithin(forMs: number, vitals: readonly Vital[]): Promise<number> {
  const clock = new SimulatedClock()
  let fed = 0
  const feed = async () => {
    fed += 1
  }
  const watchdog = new Watchdog({ vitals, everyMs: EVERY_MS, feed, clock, log: silentLogger })
  watchdog.start()
  await clock.pass(forMs)
  watchdog.stop()
  return fed
}

describe('the watchdog', () => {
  test('is fed while every part goes on', async () => {
    const vitals = [
      { part: 'a', check: () => undefined },
      { part: 'b', check: async () => undefined },
    ]
    expect(await fedWithin(4 * EVERY_MS, vitals)).toBeGreaterThanOrEqual(4)
  })

  test.each([
    ['says that it stands still', () => 'no turn'],
    ['never answers', () => new Promise<undefined>(() => {})],
    ['throws', () => Promise.reject(new Error('gone'))],
  ] satisfies [string, Vital['check']][])('is not fed where one part %s, though the timer goes on', async (_, check) => {
    const vitals = [
      { part: 'a', check: () => undefined },
      { part: 'b', check },
    ]
    expect(await fedWithin(4 * EVERY_MS, vitals)).toBe(0)
  })

  test('is fed again when the part goes on again', async () => {
    let looked = 0
    const check = (): string | undefined => {
      looked += 1
      return looked <= 2 ? 'no turn' : undefined
    }
    expect(await fedWithin(5 * EVERY_MS, [{ part: 'a', check }])).toBeGreaterThanOrEqual(2)
  })

  test('a loop stands still past its limit, and not before', () => {
    expect(stillFor(1_000, 1_000)).toBeUndefined()
    expect(stillFor(1_001, 1_000)).toMatch(/no turn of its loop for 1 s/)
  })
})

describe('what the service manager says', () => {
  test('is taken out of the environment: a command of a source does not speak for the process', () => {
    const env = { NOTIFY_SOCKET: '/run/systemd/notify', WATCHDOG_USEC: '60000000', WATCHDOG_PID: '42', PATH: '/bin' }
    expect(ServiceManager.take(env, 42)?.watchdogMs).toBe(60_000)
    expect(env).toEqual({ PATH: '/bin' })
  })

  test('to another process is not for this one', () => {
    const env = { NOTIFY_SOCKET: '/run/systemd/notify', WATCHDOG_USEC: '60000000', WATCHDOG_PID: '41' }
    expect(ServiceManager.take(env, 42)?.watchdogMs).toBeUndefined()
    expect(ServiceManager.take({}, 42)).toBeUndefined()
  })
})
