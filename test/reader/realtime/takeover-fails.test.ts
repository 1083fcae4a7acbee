import { expect, test } from 'vitest'
import { condition } from '../../../src/analyser/condition.ts'
import type { Log } from '../../../src/log/log.ts'
import { type AnalyserDefinition, SHARDS } from '../../../src/reader/realtime/definition.ts'
import { AnalyserRunner } from '../../../src/reader/realtime/runner.ts'
import { Alarms } from '../../../src/runtime/alarms.ts'
import { HeadraceError } from '../../../src/runtime/errors.ts'
import { silentLogger } from '../../../src/runtime/logger.ts'
import { MemoryLog } from '../../support/memory-log.ts'
import { SimulatedClock } from '../../support/simulated-clock.ts'

const LIMIT_MS = 60_000
/** Two looks, and what they take: far below the time after which a core that says nothing is taken over from. */
const SOON_MS = 3_000

const definition: AnalyserDefinition = {
  ...{ id: 'p.hot', name: 'hot', topic: 'p', sources: ['*'], per: 'source', fingerprint: 'x', sinks: [] },
  open: condition.open(condition.options.parse({ when: 'temp > 90' })),
}

/** How long a core takes until it has all shards, where one call of the log fails once: the first that `fails` is true of. */
async function takenAfterMs(fails: (method: string, calls: number) => boolean): Promise<number> {
  const clock = new SimulatedClock()
  const log = new MemoryLog(clock)
  await clock.during(log.claim({ gateway: 'plant-a', source: 'boiler' }, 'p'), LIMIT_MS)
  const calls = new Map<string, number>()
  let hasFailed = false
  const failing: Log = new Proxy(log, {
    get: (target, method) => {
      const call = target[method as keyof Log] as unknown
      if (typeof call !== 'function') return call
      return (...args: unknown[]) => {
        const count = (calls.get(String(method)) ?? 0) + 1
        calls.set(String(method), count)
        if (!hasFailed && fails(String(method), count)) {
          hasFailed = true
          return Promise.reject(new HeadraceError('log_unavailable', 'the broker is away'))
        }
        return call.apply(target, args)
      }
    },
  })
  const runner = new AnalyserRunner({
    ...{ log: failing, clock, random: () => 0, logger: silentLogger, alarms: new Alarms(clock) },
    definitions: [definition],
    sinks: new Map(),
    owner: { core: 'core', instance: 'core-0' },
  })
  const fromMs = clock.monotonicMs()
  runner.start()
  expect(await clock.passUntil(() => runner.shards.length === SHARDS, LIMIT_MS)).toBe(true)
  const takenMs = clock.monotonicMs() - fromMs
  expect(hasFailed).toBe(true)
  await clock.during(runner.stop(), LIMIT_MS)
  return takenMs
}

test('a takeover that fails leaves the shards that were taken before it: they had no core for as long as one is waited for', async () => {
  expect(await takenAfterMs((method, calls) => method === 'renewEpoch' && calls === 5)).toBeLessThan(SOON_MS)
})

test('a log that gives no sources just then leaves the shards that were taken: they had no core for as long as one is waited for', async () => {
  expect(await takenAfterMs((method, calls) => method === 'claims' && calls === 2)).toBeLessThan(SOON_MS)
})
