import type { EdgeStatus } from '../../src/cli/edge-status.ts'

/** Time over which a rate is taken. */
const RATE_WINDOW_MS = 5_000

export interface SourceFigures {
  readonly source: string
  readonly state: string
  readonly read: number
  readonly recordsPerSecond: number
  readonly buffered: number
  /** Next offset of its partition in the log; undefined before it has one. */
  readonly offset: number | undefined
}

/** What is shown of each source: counters as they stand, and rates over the last few seconds. */
export class Figures {
  readonly #seen: { readonly atMs: number; readonly read: ReadonlyMap<string, number> }[] = []

  take(nowMs: number, edge: EdgeStatus, ends: ReadonlyMap<string, number>): SourceFigures[] {
    this.#seen.push({ atMs: nowMs, read: new Map(edge.sources.map(({ source, read }) => [source, read])) })
    while (this.#seen.length > 2 && (this.#seen[1]?.atMs ?? nowMs) < nowMs - RATE_WINDOW_MS) this.#seen.shift()
    const [first] = this.#seen
    const seconds = first ? (nowMs - first.atMs) / 1_000 : 0
    return edge.sources.map(({ source, state, read, buffered }) => ({
      source,
      state,
      read,
      recordsPerSecond: seconds > 0 ? (read - (first?.read.get(source) ?? 0)) / seconds : 0,
      buffered: buffered.records,
      offset: ends.get(source),
    }))
  }
}
