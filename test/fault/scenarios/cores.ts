import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'vitest'
import type { HeadraceProcess } from '../../support/headrace-process.ts'
import { until } from '../../support/until.ts'
import { expectedOfOthers, isSettled, type OtherGateways, otherGateway } from '../other-gateways.ts'
import type { Plant } from '../plant.ts'
import { defineScenario, type Stage } from '../scenario.ts'

const OTHERS: OtherGateways = { gateways: 2, sources: 4, records: 6_000, recordsPerSecond: 60 }
/** Between the start of the core that is killed and its next end, ms. */
const KILLED_AFTER_MS = { min: 2_500, max: 6_000 }
const AWAY_MS = { min: 0, max: 1_500 }
/** Longer than every time-out there is but those of people, ms. */
const FROZEN_MS = 35_000
const DRAIN_LIMIT_MS = 180_000

/** Kills one core and starts it again until it is told to stop; what is left to chance is drawn before anything runs beside it. */
function killNowAndThen({ random, step }: Stage, core: HeadraceProcess) {
  const times = Array.from({ length: 60 }, () => ({
    livesMs: random.between(KILLED_AFTER_MS.min, KILLED_AFTER_MS.max),
    awayMs: random.between(AWAY_MS.min, AWAY_MS.max),
  }))
  const enough = new AbortController()
  const killing = (async () => {
    for (const [kill, { livesMs, awayMs }] of times.entries()) {
      await pause(livesMs, undefined, { signal: enough.signal }).catch(() => {})
      if (enough.signal.aborted) return
      await step(`kill -9 of ${core.name}, ${kill + 1}`, () => core.kill9())
      await pause(awayMs)
      core.start()
    }
  })()
  return {
    async stop(): Promise<void> {
      enough.abort()
      await killing
    },
  }
}

/** On how many cores each gateway had a session, by what they logged. */
function coresOf(plant: Plant): Map<string, number> {
  const pairs = plant.cores.flatMap(({ name, logPath }) => {
    const opened = readFileSync(logPath, 'utf8')
      .split('\n')
      .filter(line => line.includes('session opened'))
    return opened.map(line => `${(JSON.parse(line) as { gateway: string }).gateway} ${name}`)
  })
  const gateways = [...new Set(pairs)].map(pair => pair.split(' ')[0] ?? '')
  return new Map([...Map.groupBy(gateways, gateway => gateway)].map(([gateway, cores]) => [gateway, cores.length]))
}

export const coresTakeTurns = defineScenario({
  id: 'cores-take-turns',
  title:
    'three gateways before three cores on one Kafka: one core is killed every few seconds, two are frozen for longer than every time-out and woken',
  seconds: 190,
  fullOnly: true,
  restLimitMs: DRAIN_LIMIT_MS,
  plant: { cores: 3, counted: 8_000, recordsPerSecond: 80 },
  async strike(stage) {
    const { plant, random, step, moves, lasts } = stage
    const [killed, first, second] = plant.cores
    if (!killed || !first || !second) throw new Error('there are three cores')
    const others = Array.from({ length: OTHERS.gateways }, (_, index) => {
      // Each begins with another core.
      const ports = [...plant.corePorts.slice(index + 1), ...plant.corePorts.slice(0, index + 1)]
      return otherGateway(stage, OTHERS, index, ports)
    })
    const overlapMs = random.between(6_000, 10_000)
    const killing = killNowAndThen(stage, killed)
    try {
      for (const { process } of others) process.start()
      await moves()
      await step(`${first.name} is frozen with what it holds`, () => first.freeze())
      await lasts(FROZEN_MS - overlapMs)
      await step(`${second.name} is frozen as well: only the one that is killed is left`, () => second.freeze())
      await lasts(overlapMs)
      await step(`${first.name} is woken`, () => first.wake())
      await lasts(FROZEN_MS - overlapMs)
      await step(`${second.name} is woken`, () => second.wake())
      await moves()
      await step('both are frozen at once', () => {
        first.freeze()
        second.freeze()
      })
      await lasts(FROZEN_MS)
      await step('both are woken', () => {
        second.wake()
        first.wake()
      })
      await moves()
      await killing.stop()
      await until(
        'all that the other gateways have is in the log',
        async () => (await Promise.all(others.map(other => isSettled(stage, other, OTHERS)))).every(Boolean),
        DRAIN_LIMIT_MS,
      )
    } finally {
      await killing.stop()
      for (const { process } of others) await process.end()
    }
  },
  judge({ plant }) {
    const moved = coresOf(plant)
    expect(moved.size).toBe(1 + OTHERS.gateways)
    for (const [gateway, cores] of moved) expect(cores, `${gateway} had sessions on so many cores`).toBeGreaterThan(1)
  },
  also: (stage, partitions) => expectedOfOthers(stage, OTHERS, partitions),
})
