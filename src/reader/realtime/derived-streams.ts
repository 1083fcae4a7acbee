import type { Claim } from '../../log/log.ts'
import type { Fields } from '../../record/fields.ts'
import { sourceKey } from '../../runtime/names.ts'
import { type AnalyserDefinition, shardOf, watchesSource } from './definition.ts'
import { DerivedWriter, type DerivedWriterDeps } from './derived-writer.ts'
import { KnownFields, NO_FIELDS } from './known-fields.ts'
import type { ShardState } from './shard-state.ts'

/** The derived streams of all analysers: who writes them, and what the registry is told of their fields. */
export class DerivedStreams {
  readonly #definitions: readonly AnalyserDefinition[]
  readonly #writers: ReadonlyMap<string, DerivedWriter>
  /** The sources that there are, until the registry knows what follows from them. */
  #untold: readonly Claim[] | undefined

  constructor(definitions: readonly AnalyserDefinition[], deps: DerivedWriterDeps) {
    this.#definitions = definitions.filter(({ stream }) => stream !== undefined)
    this.#writers = new Map(definitions.flatMap(({ id, stream }) => (stream ? [[id, new DerivedWriter(stream, deps)]] : [])))
  }

  /** Has the streams of a shard that is taken up begin at their ends, where they do not go on from what was kept. */
  async start(number: number, shard: ShardState): Promise<void> {
    for (const [id, writer] of this.#writers)
      if (shardOf(id) === number && !shard.streams.has(id)) shard.startStream(id, await writer.next())
  }

  /** Writes what is kept and not there yet. */
  wake(shards: ReadonlyMap<number, ShardState>): void {
    for (const shard of shards.values()) for (const [id, stream] of shard.streams) this.#writers.get(id)?.wake(stream)
  }

  /** Sources came, or more is known of their fields: so may be of the streams'. */
  look(claims: readonly Claim[]): void {
    this.#untold = claims
  }

  /** Tells the registry what is known of the streams' fields, where it is news. */
  async describe(shards: ReadonlyMap<number, ShardState>): Promise<void> {
    const claims = this.#untold
    if (!claims) return
    for (const definition of this.#definitions)
      if (shards.has(shardOf(definition.id))) await this.#writers.get(definition.id)?.describe(fieldsOfStream(definition, claims))
    if (this.#untold === claims) this.#untold = undefined
  }

  async settled(): Promise<void> {
    await Promise.all([...this.#writers.values()].map(writer => writer.settled()))
  }
}

function fieldsOfStream(definition: AnalyserDefinition, claims: readonly Claim[]): Fields {
  const known = new KnownFields()
  for (const { source, topic, fields } of claims)
    if (watchesSource(definition, source, topic)) known.know(sourceKey(source), fields ?? NO_FIELDS)
  return definition.stream?.fieldsOf(known.factsOf) ?? NO_FIELDS
}
