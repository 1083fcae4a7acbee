import { factsOf } from '../../src/log/facts-of.ts'
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
  Log,
  LogIdentity,
  PartitionEnd,
  Place,
  SourceFields,
} from '../../src/log/log.ts'
import { PollingFollower } from '../../src/log/polling-follower.ts'
import { AT, readBatchHeader } from '../../src/record/batch-header.ts'
import { decodeBatch } from '../../src/record/batch-reader.ts'
import { BASE_SEQUENCE_MODULUS, type EncodedBatch, type StoredRecord } from '../../src/record/record.ts'
import { type Clock, pause } from '../../src/runtime/clock.ts'
import { HeadraceError } from '../../src/runtime/errors.ts'
import { type SourceId, sourceKey } from '../../src/runtime/names.ts'

/** A leader remembers this many batches of a producer. */
const BATCHES_REMEMBERED = 5
const PROOF_LASTS_MS = 5_000

interface Producer {
  epoch: number
  lastMs: number
  /** The last batches, newest last: Kafka's 32-bit base sequence and where each was stored. */
  readonly batches: { readonly first: number; readonly last: number; readonly offset: number }[]
}

interface Partition {
  readonly place: Place
  readonly topicId: string
  /** Counts elections. */
  leader: number
  first: number
  next: number
  stored: { readonly offset: number; readonly count: number; readonly bytes: Buffer }[]
  producers: Map<number, Producer>
}

interface Proof extends EndProof {
  readonly generation: number
  answeredAtMs: number
}

/** What goes wrong with one append; decided by the test. */
export type Fault = 'lost before' | 'lost after' | 'corrupt' | 'too_large' | 'rejected' | undefined

/**
 * A MODEL of a Kafka log, in memory, for schedules that no real broker would follow on demand: it judges a batch as a partition leader was seen to
 * (repeat among the last five: the first offset; hole or overlap: 45; older epoch: 47; unknown producer: any number is taken), can forget
 * producers, lose its tail, lose answers, and go away. It is no substitute for the conformance suite on a real broker.
 */
export class MemoryLog implements Log {
  readonly #clock: Clock
  readonly #partitions = new Map<string, Partition>()
  readonly #claims: Claim[] = []
  readonly #voidCalls = new Set<() => void>()
  #generation = 0
  #id = 'memory-log-1'
  /** How long an answer takes, ms. */
  latencyMs = 1
  /** While true nothing can be reached. */
  away = false
  /** Partitions that have no leader now. */
  leaderless: (place: Place) => boolean = () => false
  /** Asked for each append that reaches the log. */
  fault: (place: Place, batch: EncodedBatch) => Fault = () => undefined
  appends = 0
  /** The largest batch that it says it takes, bytes. */
  batchBytes: number | undefined
  /** Somebody set the topic so that what comes is not kept: it is gone once that is noticed. */
  setWrong = false
  /** Batches that are refused however often they come, with all that is known of them. */
  readonly refusedForGood: { readonly place: Place; readonly sequence: number; readonly bytes: Buffer }[] = []
  /** Came while the topic was set wrong. */
  readonly #eaten = new WeakSet<Buffer>()
  /** Partitions whose next batch is refused for good. */
  readonly #refusing = new Set<string>()
  /** Told of each batch as it is stored. */
  onStored: (place: Place, bytes: Buffer, offset: number) => void = () => {}

  constructor(clock: Clock) {
    this.#clock = clock
  }

  async identity(): Promise<LogIdentity> {
    return { engine: 'kafka', id: this.#id }
  }

  async claimOf(source: SourceId): Promise<Claim | undefined> {
    return this.#claims.findLast(claim => sourceKey(claim.source) === sourceKey(source))
  }

  async claims(): Promise<Claim[]> {
    return [...new Map(this.#claims.map(claim => [sourceKey(claim.source), claim])).values()]
  }

  async claim(source: SourceId, topic: string): Promise<Claim> {
    await this.#reach()
    if (this.setWrong) throw new HeadraceError('topic_refused', `the topic ${topic} keeps nothing`, { advice: 'Set it right.' })
    const standing = await this.claimOf(source)
    if (standing) return standing
    if (topic === 'taken')
      throw new HeadraceError('topic_refused', `the topic ${topic} holds other data`, { advice: 'Choose another topic.' })
    const partition = [...this.#partitions.values()].filter(({ place }) => place.topic === topic).length
    const place = { topic, partition }
    const topicId = `id-of-${topic}`
    this.#partitions.set(keyOf(place), { place, topicId, leader: 0, first: 0, next: 0, stored: [], producers: new Map() })
    const at = this.#claims.length
    this.#claims.push({ source, ...place, topicId, producerId: 1_000 + at, epoch: 0, epochStart: 0, at })
    return this.#claims[at] as Claim
  }

  async renewEpoch(source: SourceId): Promise<Claim> {
    await this.#reach()
    const standing = await this.claimOf(source)
    if (!standing) throw new HeadraceError('not_found', `${sourceKey(source)} has no claim`)
    const { retiredMs: _retired, ...rest } = standing
    const renewed = { ...rest, epoch: standing.epoch + 1, epochStart: this.#at(standing).next, at: this.#claims.length }
    this.#claims.push(renewed)
    return renewed
  }

  async describe(sources: readonly SourceFields[]): Promise<void> {
    await this.#reach()
    for (const { source, fields } of sources) this.#note(source, { fields })
  }

  async retire(source: SourceId): Promise<Claim> {
    await this.#reach()
    return this.#note(source, { retiredMs: this.#clock.wallMs() })
  }

  #note(source: SourceId, facts: Pick<Claim, 'fields' | 'retiredMs'>): Claim {
    const at = this.#claims.findLastIndex(claim => sourceKey(claim.source) === sourceKey(source))
    const standing = this.#claims[at]
    if (!standing) throw new HeadraceError('not_found', `${sourceKey(source)} has no claim`)
    const noted = { ...standing, ...facts }
    this.#claims[at] = noted
    return noted
  }

  async end(place: Place): Promise<PartitionEnd> {
    await this.#reach()
    const { first, next } = this.#at(place)
    const proof: Proof = { brand: 'end-proof', generation: this.#generation, answeredAtMs: this.#clock.monotonicMs() }
    return { first, next, proof }
  }

  async ends(places: readonly Place[]): Promise<Map<Place, PartitionEnd>> {
    await this.#reach()
    const led = places.filter(place => !this.leaderless(place))
    return new Map(await Promise.all(led.map(async place => [place, await this.end(place)] as const)))
  }

  async batchBytesMax(): Promise<number | undefined> {
    await this.#reach()
    return this.batchBytes
  }

  async lastBatch(place: Place): Promise<BatchFacts | undefined> {
    await this.#reach()
    const last = this.#at(place).stored.at(-1)
    return last && factsOf(last.bytes)
  }

  async lastBatches<Fact>(places: readonly Place[], look: (batch: Buffer) => Fact): Promise<Map<Place, Fact | undefined>> {
    await this.#reach()
    const led = places.filter(place => !this.leaderless(place))
    return new Map(
      led.map(place => {
        const last = this.#at(place).stored.at(-1)
        return [place, last && look(last.bytes)]
      }),
    )
  }

  async append(place: Place, batch: EncodedBatch, proof: EndProof): Promise<Appended> {
    const known = proof as Proof
    const stale = this.#clock.monotonicMs() - known.answeredAtMs > PROOF_LASTS_MS
    if (known.generation !== this.#generation || stale)
      return refused('proof_void', 'it was read on another connection, or long ago')
    this.appends += 1
    const { leader } = this.#at(place)
    // What was on its way when the setting was changed came before it.
    const isEaten = this.setWrong
    await pause(this.#clock, this.latencyMs)
    // It was written to a leader that is none any more.
    const isLost = this.away || leader !== this.#at(place).leader
    const fault = isLost ? 'lost before' : this.fault(place, batch)
    if (fault === 'lost before') return { outcome: 'unavailable', detail: 'the request was lost' }
    if (fault !== undefined && fault !== 'lost after') return refused(fault, 'as the test wants it')
    if (this.#isRefusedForGood(place, batch)) return refused('rejected', 'as it will be for ever')
    const answer = this.#judge(this.#at(place), batch)
    if (isEaten && answer.outcome === 'appended') this.#eaten.add(this.#at(place).stored.at(-1)?.bytes ?? batch.bytes)
    if (answer.outcome !== 'refused') known.answeredAtMs = this.#clock.monotonicMs()
    return fault === 'lost after' ? { outcome: 'unavailable', detail: 'the answer was lost' } : answer
  }

  follower(): Follower {
    return new PollingFollower(this)
  }

  async fetch(cursors: readonly Cursor[], _limits: FetchLimits): Promise<Fetched[]> {
    await this.#reach()
    return cursors.map(({ topic, partition, from }) => {
      const { first, next, stored } = this.#at({ topic, partition })
      const batches = stored.filter(batch => batch.offset + batch.count > from).map(batch => batch.bytes)
      return { topic, partition, batches, first, next }
    })
  }

  async offsetAt(place: Place): Promise<number> {
    return this.#at(place).first
  }

  async trim(place: Place, before: number): Promise<void> {
    const partition = this.#at(place)
    partition.stored = partition.stored.filter(batch => batch.offset + batch.count > before)
    partition.first = Math.max(partition.first, before)
  }

  async commitOffsets(): Promise<void> {}

  async committedOffsets(): Promise<Cursor[]> {
    return []
  }

  async groupMembers(): Promise<readonly GroupMember[]> {
    return []
  }

  async journal(): Promise<undefined> {
    return undefined
  }

  onProofsVoid(call: () => void): () => void {
    this.#voidCalls.add(call)
    return () => this.#voidCalls.delete(call)
  }

  async close(): Promise<void> {}

  /** Connections were lost or leaders changed. */
  voidProofs(): void {
    this.#generation += 1
    for (const call of this.#voidCalls) call()
  }

  /** As after `producer.id.expiration.ms`, or on a topic made anew: nothing is known of any producer. */
  forgetProducers(place: Place): void {
    this.#at(place).producers.clear()
  }

  /** The same as a broker does it whose time for that is longer than a proof lasts: each is forgotten once it has been silent for so long. */
  forgetSilentProducers(place: Place): void {
    const { producers } = this.#at(place)
    for (const [id, producer] of producers) {
      const look = () => {
        const leftMs = producer.lastMs + PROOF_LASTS_MS - this.#clock.monotonicMs()
        if (producers.get(id) !== producer) return
        if (leftMs < 0) producers.delete(id)
        else this.#clock.after(leftMs + 1, look)
      }
      look()
    }
  }

  /** The next batch that comes to this partition is refused, as often as it comes. */
  refuseForGood(place: Place): void {
    this.#refusing.add(keyOf(place))
  }

  /** What has not come yet is not refused any more. */
  refuseNoMore(): void {
    this.#refusing.clear()
  }

  /** What came while the topic was set wrong is gone; consumers find a hole. */
  setRight(): void {
    this.setWrong = false
    for (const partition of this.#partitions.values())
      partition.stored = partition.stored.filter(({ bytes }) => !this.#eaten.has(bytes))
  }

  #isRefusedForGood(place: Place, batch: EncodedBatch): boolean {
    if (this.#refusing.delete(keyOf(place))) this.refusedForGood.push({ place, sequence: batch.sequence, bytes: batch.bytes })
    return this.refusedForGood.some(({ place: at, bytes }) => keyOf(at) === keyOf(place) && bytes.equals(batch.bytes))
  }

  /** An unclean election: whole batches at and above `next` are gone; what is known of producers is what the rest says. */
  loseTail(place: Place, next: number): void {
    const partition = this.#at(place)
    partition.stored = partition.stored.filter(batch => batch.offset + batch.count <= next)
    partition.next = partition.stored.reduce((end, batch) => Math.max(end, batch.offset + batch.count), partition.first)
    partition.leader += 1
    partition.producers = new Map()
    for (const { bytes, offset } of partition.stored) this.#remember(partition, bytes, offset)
    this.voidProofs()
  }

  /** Somebody else's batch, at the end, as its producer. */
  intrude(place: Place, bytes: Buffer): void {
    this.#store(this.#at(place), bytes)
  }

  /** Offsets at which batches begin, in order. */
  borders(place: Place): number[] {
    return this.#at(place).stored.map(({ offset }) => offset)
  }

  /** Another log under the same address. */
  exchange(id: string): void {
    this.#id = id
  }

  bounds(place: Place): { first: number; next: number } {
    const { first, next } = this.#at(place)
    return { first, next }
  }

  /** Every record, in order of offset, with its offset from where it lies and its `seq` header as its writer gave it. */
  records(place: Place): StoredRecord[] {
    return this.#at(place).stored.flatMap(({ bytes }) => decodeBatch(bytes))
  }

  #judge(partition: Partition, batch: EncodedBatch): Appended {
    const { producerId, producerEpoch, baseSequence, count } = readBatchHeader(batch.bytes)
    const producer = partition.producers.get(producerId)
    if (!producer) return { outcome: 'appended', offset: this.#store(partition, batch.bytes) }
    if (producerEpoch < producer.epoch) return refused('fenced', '47')
    if (producerEpoch > producer.epoch) {
      return baseSequence === 0 ? { outcome: 'appended', offset: this.#store(partition, batch.bytes) } : refused('gap', '45')
    }
    const last = (baseSequence + count - 1) % BASE_SEQUENCE_MODULUS
    const repeat = producer.batches.find(known => known.first === baseSequence && known.last === last)
    // The numbers alone make a repeat: the leader does not compare what is in it.
    if (repeat) return { outcome: 'repeated', offset: repeat.offset }
    const newest = producer.batches.at(-1)
    if (newest && baseSequence !== (newest.last + 1) % BASE_SEQUENCE_MODULUS) return refused('gap', '45')
    return { outcome: 'appended', offset: this.#store(partition, batch.bytes) }
  }

  #store(partition: Partition, given: Buffer): number {
    const offset = partition.next
    const bytes = Buffer.from(given)
    bytes.writeBigInt64BE(BigInt(offset), AT.baseOffset)
    const { count } = readBatchHeader(bytes)
    partition.stored.push({ offset, count, bytes })
    partition.next = offset + count
    this.#remember(partition, bytes, offset)
    this.onStored(partition.place, bytes, offset)
    return offset
  }

  #remember(partition: Partition, bytes: Buffer, offset: number): void {
    const { producerId, producerEpoch, baseSequence, count } = readBatchHeader(bytes)
    const known = partition.producers.get(producerId)
    const producer = known && known.epoch === producerEpoch ? known : { epoch: producerEpoch, lastMs: 0, batches: [] }
    partition.producers.set(producerId, producer)
    producer.lastMs = this.#clock.monotonicMs()
    producer.batches.push({ first: baseSequence, last: (baseSequence + count - 1) % BASE_SEQUENCE_MODULUS, offset })
    if (producer.batches.length > BATCHES_REMEMBERED) producer.batches.shift()
  }

  #at(place: Place): Partition {
    const partition = this.#partitions.get(keyOf(place))
    if (!partition) throw new HeadraceError('not_found', `there is no ${keyOf(place)}`)
    return partition
  }

  async #reach(): Promise<void> {
    await pause(this.#clock, this.latencyMs)
    if (this.away) throw new HeadraceError('log_unavailable', 'the log is away')
  }
}

function keyOf({ topic, partition }: Place): string {
  return `${topic}[${partition}]`
}

function refused(reason: Extract<Appended, { outcome: 'refused' }>['reason'], detail: string): Appended {
  return { outcome: 'refused', reason, detail }
}
