import { type Clock, pause } from '../runtime/clock.ts'
import type { CoreProcess } from './core-process.ts'
import type { EdgeStatus } from './edge-status.ts'
import type { Role } from './state-paths.ts'

/** How well a process does, from worst to best: nobody answers; it answers; records are read; records come into the log. */
export const FLOWS = ['down', 'running', 'reading', 'settling'] as const
export type Flow = (typeof FLOWS)[number]

export interface Health {
  readonly role: Role
  readonly version: string | null
  readonly flow: Flow
  /** Sources that wait for a person. */
  readonly frozen: readonly string[]
}

export type RoleStatus = EdgeStatus | Awaited<ReturnType<CoreProcess['status']>>

/** How often a process is asked, ms. */
const ASK_EVERY_MS = 500

export interface FlowCheckOptions {
  readonly role: Role
  /** What the process says of itself; undefined where none runs. */
  readonly ask: () => Promise<RoleStatus | undefined>
  /** How long it may take, ms. */
  readonly withinMs: number
  readonly clock: Clock
  /** Good enough: it is not looked any longer. */
  readonly enough: (health: Health) => boolean
}

interface Counts {
  readonly read: number
  /** By source; a partition that cannot be asked now is missing. */
  readonly settled: ReadonlyMap<string, number>
}

/** Watches what a process does, until it is good enough or the time is over: not whether it runs, but whether records move. */
export async function checkFlow({ role, ask, withinMs, clock, enough }: FlowCheckOptions): Promise<Health> {
  const deadline = clock.monotonicMs() + withinMs
  let first: Counts | undefined
  let best: Flow = 'down'
  let health: Health = { role, version: null, flow: 'down', frozen: [] }
  for (;;) {
    const status = await ask().catch(() => undefined)
    if (status === undefined) {
      // Another process may answer next time, whose counts begin anew.
      first = undefined
      best = 'down'
      health = { ...health, flow: 'down' }
    } else {
      const counts = countsOf(status)
      // Its counts went back: it was started anew in between.
      if (first === undefined || counts.read < first.read) {
        first = counts
        best = 'down'
      }
      // One that could not be asked at first counts from where it is seen for the first time: all that lies there did not come just now.
      first = { ...first, settled: new Map([...counts.settled, ...first.settled]) }
      best = better(best, flowSince(first, counts))
      health = { role, version: status.version, flow: best, frozen: frozenOf(status) }
      if (enough(health)) return health
    }
    if (clock.monotonicMs() >= deadline) return health
    await pause(clock, ASK_EVERY_MS)
  }
}

/** What is worse than it was before; undefined where nothing is. `version`: of which it has to be by now. */
export function worseThan(before: Health, now: Health, version?: string): string | undefined {
  if (now.flow === 'down') return `no ${now.role} answers`
  if (version !== undefined && now.version !== version) return `the ${now.role} is version ${now.version}, not ${version}`
  const frozen = now.frozen.filter(source => !before.frozen.includes(source))
  if (frozen.length > 0) return `${frozen.join(', ')} waits for a person`
  if (FLOWS.indexOf(now.flow) < FLOWS.indexOf(before.flow)) return `the ${now.role} was ${before.flow}, and is only ${now.flow}`
  return undefined
}

export function better(one: Flow, other: Flow): Flow {
  return FLOWS.indexOf(one) >= FLOWS.indexOf(other) ? one : other
}

function flowSince(first: Counts, now: Counts): Flow {
  if ([...now.settled].some(([source, settled]) => settled > (first.settled.get(source) ?? settled))) return 'settling'
  return now.read > first.read ? 'reading' : 'running'
}

function countsOf(status: RoleStatus): Counts {
  if (status.role === 'edge') {
    const read = status.sources.reduce((sum, source) => sum + source.read, 0)
    return { read, settled: new Map(status.sources.map(({ source, settled }) => [source, settled])) }
  }
  return { read: 0, settled: new Map(status.sources.flatMap(({ source, next }) => (next === null ? [] : [[source, next]]))) }
}

function frozenOf(status: RoleStatus): string[] {
  return status.role === 'edge' ? status.sources.filter(({ state }) => state === 'frozen').map(({ source }) => source) : []
}
