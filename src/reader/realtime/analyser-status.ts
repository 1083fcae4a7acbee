import type { AnalyserDefinition } from './definition.ts'
import type { RunningWatch } from './running-watch.ts'
import type { ShardState } from './shard-state.ts'

export interface AnalyserStatus {
  readonly analyser: string
  readonly pipeline: string
  readonly state: 'running' | 'waiting' | 'failed'
  /** Sources that this core watches for it. */
  readonly sources: number
  readonly lag: number
  readonly late: number
  /** Records that left a full sliding window before their time. */
  readonly cut: number
  readonly last_alert: string | null
  readonly undelivered: number
}

/** When an analyser last said something, ISO 8601; null where that is not known. */
export type LastAlertOf = (id: string) => string | null

/** How far a source is read, by whom. */
export interface ReadSource {
  readonly watches: readonly RunningWatch[]
  readonly next: number
  readonly end: number
}

/** One pass over everything, whatever the number of analysers and of sources. */
export function statusOf(
  definitions: readonly AnalyserDefinition[],
  shards: readonly ShardState[],
  sources: readonly ReadSource[],
  lastAlertOf: LastAlertOf,
): AnalyserStatus[] {
  const running = Map.groupBy(
    shards.flatMap(shard => [...shard.watches.values()]),
    watch => watch.definition.id,
  )
  const read = new Map<string, { sources: number; lag: number }>()
  for (const { watches, next, end } of sources) {
    for (const id of new Set(watches.map(watch => watch.definition.id))) {
      const before = read.get(id) ?? { sources: 0, lag: 0 }
      read.set(id, { sources: before.sources + 1, lag: before.lag + Math.max(0, end - next) })
    }
  }
  const undelivered = (sink: string) => shards.reduce((sum, shard) => sum + shard.outbox.waitingFor(sink), 0)
  return definitions.map(({ id, name, sinks }) => {
    const own = running.get(id) ?? []
    const isFailed = own.some(watch => watch.failure !== undefined)
    return {
      analyser: name,
      pipeline: id.slice(0, id.length - name.length - 1),
      state: isFailed ? 'failed' : own.length > 0 ? 'running' : 'waiting',
      ...(read.get(id) ?? { sources: 0, lag: 0 }),
      late: own.reduce((sum, { late }) => sum + late, 0),
      cut: own.reduce((sum, { cut }) => sum + cut, 0),
      last_alert: lastAlertOf(id),
      undelivered: [...new Set(sinks)].reduce((sum, sink) => sum + undelivered(sink), 0),
    }
  })
}
