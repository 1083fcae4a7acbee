import type {
  Appended,
  BatchFacts,
  Claim,
  Cursor,
  EndProof,
  Fetched,
  FetchLimits,
  Follower,
  GroupMember,
  Journal,
  Log,
  LogIdentity,
  PartitionEnd,
  Place,
  SourceFields,
} from '../../src/log/log.ts'
import type { EncodedBatch } from '../../src/record/record.ts'
import type { SourceId } from '../../src/runtime/names.ts'

/**
 * A part of a real log that is a test's own: gateways, topics and groups have the test's mark behind their names in the log, and not for whoever
 * uses this. So a suite that was written for a log of its own runs beside others on one broker.
 */
export class SpacedLog implements Log {
  readonly #log: Log
  readonly #mark: string

  constructor(log: Log, space: string) {
    this.#log = log
    this.#mark = `-${space}`
  }

  identity(): Promise<LogIdentity> {
    return this.#log.identity()
  }

  async claimOf(source: SourceId): Promise<Claim | undefined> {
    const claim = await this.#log.claimOf(this.#marked(source))
    return claim && this.#bare(claim)
  }

  async claims(): Promise<Claim[]> {
    return (await this.#log.claims()).filter(({ topic }) => topic.endsWith(this.#mark)).map(claim => this.#bare(claim))
  }

  async claim(source: SourceId, topic: string): Promise<Claim> {
    return this.#bare(await this.#log.claim(this.#marked(source), topic + this.#mark))
  }

  async renewEpoch(source: SourceId): Promise<Claim> {
    return this.#bare(await this.#log.renewEpoch(this.#marked(source)))
  }

  describe(sources: readonly SourceFields[]): Promise<void> {
    return this.#log.describe(sources.map(({ source, fields }) => ({ source: this.#marked(source), fields })))
  }

  async retire(source: SourceId): Promise<Claim> {
    return this.#bare(await this.#log.retire(this.#marked(source)))
  }

  end(place: Place): Promise<PartitionEnd> {
    return this.#log.end(this.#in(place))
  }

  async ends(places: readonly Place[]): Promise<Map<Place, PartitionEnd>> {
    const inside = new Map(places.map(place => [this.#in(place), place]))
    const found = await this.#log.ends([...inside.keys()])
    return new Map([...found].map(([place, end]) => [inside.get(place) ?? place, end]))
  }

  lastBatch(place: Place): Promise<BatchFacts | undefined> {
    return this.#log.lastBatch(this.#in(place))
  }

  async lastBatches<Fact>(places: readonly Place[], look: (batch: Buffer) => Fact): Promise<Map<Place, Fact | undefined>> {
    const inside = new Map(places.map(place => [this.#in(place), place]))
    const found = await this.#log.lastBatches([...inside.keys()], look)
    return new Map([...found].map(([place, fact]) => [inside.get(place) ?? place, fact]))
  }

  batchBytesMax(topic: string): Promise<number | undefined> {
    return this.#log.batchBytesMax(topic + this.#mark)
  }

  append(place: Place, batch: EncodedBatch, proof: EndProof): Promise<Appended> {
    return this.#log.append(this.#in(place), batch, proof)
  }

  async fetch(cursors: readonly Cursor[], limits: FetchLimits): Promise<Fetched[]> {
    const found = await this.#log.fetch(
      cursors.map(cursor => this.#in(cursor)),
      limits,
    )
    return found.map(part => this.#out(part))
  }

  follower(): Follower {
    const follower = this.#log.follower()
    return {
      follow: cursor => follower.follow(this.#in(cursor)),
      leave: place => follower.leave(this.#in(place)),
      fetch: async limits => (await follower.fetch(limits)).map(part => this.#out(part)),
      close: () => follower.close(),
    }
  }

  offsetAt(place: Place, timeMs: number): Promise<number> {
    return this.#log.offsetAt(this.#in(place), timeMs)
  }

  trim(place: Place, before: number): Promise<void> {
    return this.#log.trim(this.#in(place), before)
  }

  commitOffsets(group: string, offsets: readonly Cursor[]): Promise<void> {
    return this.#log.commitOffsets(
      group + this.#mark,
      offsets.map(offset => this.#in(offset)),
    )
  }

  async committedOffsets(group: string, places: readonly Place[]): Promise<Cursor[]> {
    const found = await this.#log.committedOffsets(
      group + this.#mark,
      places.map(place => this.#in(place)),
    )
    return found.map(cursor => this.#out(cursor))
  }

  groupMembers(group: string): Promise<readonly GroupMember[]> {
    return this.#log.groupMembers(group + this.#mark)
  }

  journal(topic: string): Promise<Journal | undefined> {
    return this.#log.journal(topic + this.#mark)
  }

  onProofsVoid(call: () => void): () => void {
    return this.#log.onProofsVoid(call)
  }

  close(): Promise<void> {
    return this.#log.close()
  }

  #in<Each extends Place>(place: Each): Each {
    return { ...place, topic: place.topic + this.#mark }
  }

  #out<Each extends Place>(place: Each): Each {
    return { ...place, topic: place.topic.slice(0, -this.#mark.length) }
  }

  #marked({ gateway, source }: SourceId): SourceId {
    return { gateway: gateway + this.#mark, source }
  }

  #bare(claim: Claim): Claim {
    const { gateway, source } = claim.source
    return this.#out({ ...claim, source: { gateway: gateway.slice(0, -this.#mark.length), source } })
  }
}
