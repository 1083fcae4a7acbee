import { isDeepStrictEqual } from 'node:util'
import type { Claim, Log, PartitionEnd } from '../../log/log.ts'
import type { Clock } from '../../runtime/clock.ts'
import { sourceKey } from '../../runtime/names.ts'
import { type AnalyserDefinition, watchesSource } from './definition.ts'
import { isStateTopic } from './shard-log.ts'

/** Shards that are taken for so long after the start are such of the start: some are free only when the core before is found to be silent. */
const START_MS = 60_000

/** A source that some analyser looks at, and where its partition began and ended when the log was asked. */
export interface SeenSource {
  readonly claim: Claim
  readonly end: PartitionEnd
}

/** By key. */
export type SeenSources = ReadonlyMap<string, SeenSource>

export interface SeenSourcesDeps {
  readonly log: Pick<Log, 'claims' | 'ends'>
  readonly clock: Clock
  readonly definitions: readonly AnalyserDefinition[]
}

/** The sources in the log that analysers look at, and where one begins that is new. */
export class SourcesInLog {
  readonly #deps: SeenSourcesDeps
  readonly #all = new Map<string, SeenSource>()
  /**
   * Where those ended that there were at the start, by key: there an analyser begins that is new. What comes while shards are taken over, which in a busy
   * log takes seconds, is looked at. One whose end could not be read then has none here. Undefined before the log has told, and when the start is over.
   */
  #endsAtStart: ReadonlyMap<string, number | undefined> | undefined
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
      this.#endsAtStart = new Map(wanted.map(({ source }) => [sourceKey(source), seen.get(sourceKey(source))?.end.next]))
      this.#startedMs = nowMs
    } else if (!isTaking && nowMs - this.#startedMs >= START_MS) this.#endsAtStart = undefined
  }

  /** All of them, where something of them is news, or it has to be known in any case. */
  async look(inAnyCase: boolean): Promise<SeenSources | undefined> {
    const wanted = await this.#wanted()
    const told = (claim: Claim | undefined) => claim && { fields: claim.fields }
    const isNews = (claim: Claim) => !isDeepStrictEqual(told(this.#all.get(sourceKey(claim.source))?.claim), told(claim))
    return inAnyCase || wanted.some(isNews) ? this.#endsOf(wanted) : undefined
  }

  /** What was found counts from here on. */
  take(found: SeenSources): void {
    for (const [key, seen] of found) this.#all.set(key, seen)
  }

  /** Where an analyser that is new begins in its sources, by key; in one that came since the start it begins at its beginning, and nothing is said of it. */
  endsFor(definition: AnalyserDefinition): Record<string, number> {
    const atStart = this.#endsAtStart
    const there = [...this.#all].filter(
      ([key, { claim }]) => watchesSource(definition, claim.source, claim.topic) && (atStart?.has(key) ?? true),
    )
    return Object.fromEntries(there.map(([key, { end }]) => [key, atStart?.get(key) ?? end.next]))
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
