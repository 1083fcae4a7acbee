import { isDeepStrictEqual } from 'node:util'
import type { Claim, Log, PartitionEnd } from '../../log/log.ts'
import type { Clock } from '../../runtime/clock.ts'
import { sourceKey } from '../../runtime/names.ts'
import { type AnalyserDefinition, watchesSource } from './definition.ts'
import { isStateTopic } from './shard-log.ts'

/** Shards that are taken for so long after the start are such of the start: some are free only when the core before is found to be silent. */
const START_MS = 60_000

/** Where a source ends that was there and could not be read: wherever it does when it can. */
export const END_UNKNOWN = Number.MAX_SAFE_INTEGER

/** A source that some analyser looks at, and where its partition began and ended when the log was asked. */
export interface SeenSource {
  readonly claim: Claim
  readonly end: PartitionEnd
}

/** By key. */
export type SeenSources = ReadonlyMap<string, SeenSource>

/** What one look brought: those that there are, and of those whose ends could be read, these. */
export interface Look {
  readonly claims: readonly Claim[]
  readonly seen: SeenSources
}

export interface SeenSourcesDeps {
  readonly log: Pick<Log, 'claims' | 'ends'>
  readonly clock: Clock
  readonly definitions: readonly AnalyserDefinition[]
}

/** The sources in the log that analysers look at, and where one begins that is new. */
export class SourcesInLog {
  readonly #deps: SeenSourcesDeps
  readonly #all = new Map<string, SeenSource>()
  /** With those whose ends could not be read yet. */
  readonly #claims = new Map<string, Claim>()
  /**
   * Where those ended that there were at the start, by key: there an analyser begins that is new. What comes while shards are taken over, which in a busy
   * log takes seconds, is looked at. Undefined before the log has told, and when the start is over.
   */
  #endsAtStart: ReadonlyMap<string, number> | undefined
  #startedMs: number | undefined

  constructor(deps: SeenSourcesDeps) {
    this.#deps = deps
  }

  get all(): SeenSources {
    return this.#all
  }

  /** Looks where sources end, before any shard is taken; later on says when the start is over, unless one was taken and is not taken up yet. */
  async start(isTaking: boolean): Promise<void> {
    const nowMs = this.#deps.clock.monotonicMs()
    if (this.#startedMs === undefined) {
      const wanted = await this.#wanted()
      const seen = await this.#endsOf(wanted)
      const keys = wanted.map(({ source }) => sourceKey(source))
      this.#endsAtStart = new Map(keys.map(key => [key, seen.get(key)?.end.next ?? END_UNKNOWN]))
      this.#startedMs = nowMs
    } else if (!isTaking && nowMs - this.#startedMs >= START_MS) this.#endsAtStart = undefined
  }

  /** All of them, where something of them is news, or it has to be known in any case. */
  async look(inAnyCase: boolean): Promise<Look | undefined> {
    const claims = await this.#wanted()
    const told = (claim: Claim | undefined) => claim && { fields: claim.fields }
    const isNews = (claim: Claim) => !isDeepStrictEqual(told(this.#all.get(sourceKey(claim.source))?.claim), told(claim))
    return inAnyCase || claims.some(isNews) ? { claims, seen: await this.#endsOf(claims) } : undefined
  }

  /** What was found counts from here on. */
  take({ claims, seen }: Look): void {
    for (const claim of claims) this.#claims.set(sourceKey(claim.source), claim)
    for (const [key, each] of seen) this.#all.set(key, each)
  }

  /** Where an analyser that is new begins in its sources, by key; in one that came since the start it begins at its beginning, and nothing is said of it. */
  endsFor(definition: AnalyserDefinition): Record<string, number> {
    const atStart = this.#endsAtStart
    const there = [...this.#claims].filter(
      ([key, { source, topic }]) => watchesSource(definition, source, topic) && (atStart?.has(key) ?? true),
    )
    const endOf = (key: string) => {
      const end = this.#all.get(key)?.end.next ?? END_UNKNOWN
      return Math.min(atStart?.get(key) ?? end, end)
    }
    return Object.fromEntries(there.map(([key]) => [key, endOf(key)]))
  }

  async #wanted(): Promise<Claim[]> {
    const { log, definitions } = this.#deps
    const isWanted = ({ source, topic }: Claim) =>
      !isStateTopic(topic) && definitions.some(each => watchesSource(each, source, topic))
    return (await log.claims()).filter(isWanted)
  }

  async #endsOf(claims: readonly Claim[]): Promise<SeenSources> {
    const ends = await this.#deps.log.ends(claims)
    const sources = new Map<string, SeenSource>()
    for (const claim of claims) {
      const end = ends.get(claim)
      if (end) sources.set(sourceKey(claim.source), { claim, end })
    }
    return sources
  }
}
