import { createHash } from 'node:crypto'
import type { Analyser, FactsOf } from '../../analyser/analyser.ts'
import type { Fields } from '../../record/fields.ts'
import { namesSource, type SourceId, STREAM_GATEWAY, sourceKey } from '../../runtime/names.ts'

/** A derived stream: a source of its own, with a partition of its own. */
export interface StreamTarget {
  readonly source: string
  readonly topic: string
  /** What is known of its records' fields, from what is known of those that the analyser reads. */
  readonly fieldsOf: (factsOf: FactsOf) => Fields
}

export interface AnalyserDefinition {
  /** `<pipeline>.<name>`, which no other analyser has. */
  readonly id: string
  readonly name: string
  readonly topic: string
  /** Globs of the sources that it watches. */
  readonly sources: readonly string[]
  /** A watch for each source, or one for all together. */
  readonly per: 'source' | 'all'
  readonly open: Analyser
  /** Another one begins with new state: what was kept would mean something else. */
  readonly fingerprint: string
  /** Names of the sinks that its alerts go to. */
  readonly sinks: readonly string[]
  readonly stream?: StreamTarget
}

/** Shards in which a core takes its part of the work; more cores than that have nothing to do. */
export const SHARDS = 8

/** The shard that a name belongs to, the same on every core and for ever. */
export function shardOf(name: string): number {
  return createHash('sha256').update(name).digest().readUInt32BE(0) % SHARDS
}

/**
 * In which shard an analyser watches a source. Sources are spread, and with them the analysers that watch each source for itself; one that
 * has all sources together, or a derived stream of which it is the one writer, lies in a single shard.
 */
export function shardOfWatch(definition: AnalyserDefinition, source: SourceId): number {
  const isWhole = definition.per === 'all' || definition.stream !== undefined
  return shardOf(isWhole ? definition.id : sourceKey(source))
}

export function watchesSource(definition: AnalyserDefinition, source: SourceId, topic: string): boolean {
  // A derived stream is watched whatever topic it lies in.
  const isInReach = source.gateway === STREAM_GATEWAY || definition.topic === topic
  return isInReach && namesSource(definition.sources, source)
}
