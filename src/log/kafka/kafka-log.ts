import type { EncodedBatch } from '../../record/record.ts'
import type { Clock } from '../../runtime/clock.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/logger.ts'
import type { SourceId } from '../../runtime/names.ts'
import { factsOf } from '../facts-of.ts'
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
} from '../log.ts'
import type { KafkaOptions } from '../options.ts'
import { deleteRecords, findCoordinator, listOffsets, offsetCommit, offsetFetch } from './apis.ts'
import { Appender } from './appender.ts'
import { KafkaCluster, REQUEST_LIMIT_MS } from './cluster.ts'
import { COORDINATOR_BUSY, KAFKA_ERROR } from './error-codes.ts'
import { Fetcher } from './fetcher.ts'
import { KafkaFollower } from './follower.ts'
import { groupError, membersOf } from './group-members.ts'
import { KafkaJournal, type KafkaJournalDeps } from './journal.ts'
import { LastBatches } from './last-batches.ts'
import { PartitionEnds } from './partition-ends.ts'
import { RecordAppender } from './record-appender.ts'
import { Registry } from './registry.ts'
import { SourcesView } from './sources-view.ts'
import { TopicLimits } from './topic-limits.ts'

export interface KafkaLogDeps {
  readonly clock: Clock
  readonly log: Logger
}

const COORDINATOR_ATTEMPTS_MAX = 50
const COORDINATOR_PAUSE_MS = 200

/** Opens Kafka as a log. Rejects with `log_unavailable` where no broker answers, `topic_refused` where the registry's topic cannot be used. */
export async function openKafkaLog(options: KafkaOptions, deps: KafkaLogDeps): Promise<Log> {
  const cluster = new KafkaCluster(options, deps.clock, deps.log)
  const log = new KafkaLog(cluster, options, deps)
  try {
    await cluster.refresh()
    await log.open()
    return log
  } catch (error) {
    await cluster.close()
    throw error
  }
}

/** Who appends what is of no gateway. */
const OURSELVES = ''

/** Kafka: raw Produce and Fetch of whole batches over kafkajs's connections. Leaders, claims and ends are all that is kept in memory. */
class KafkaLog implements Log {
  readonly #cluster: KafkaCluster
  readonly #clock: Clock
  readonly #appender: Appender
  readonly #ends: PartitionEnds
  readonly #lasts: LastBatches
  readonly #fetcher: Fetcher
  readonly #registry: Registry
  readonly #limits: TopicLimits
  readonly #journals: KafkaJournalDeps
  /** Made so far. */
  #followers = 0

  constructor(cluster: KafkaCluster, options: KafkaOptions, deps: KafkaLogDeps) {
    this.#cluster = cluster
    this.#clock = deps.clock
    this.#appender = new Appender(cluster, deps.clock)
    this.#ends = new PartitionEnds(cluster, deps.clock)
    this.#lasts = new LastBatches(cluster, this.#ends)
    this.#fetcher = new Fetcher(cluster)
    this.#limits = new TopicLimits(cluster, deps.clock, deps.log)
    const appender = new RecordAppender(cluster, deps.clock)
    this.#journals = { cluster, fetcher: this.#fetcher, appender, clock: deps.clock, replication: options.replication }
    const view = new SourcesView(cluster, appender, deps.log, options.replication)
    this.#registry = new Registry({
      cluster,
      fetcher: this.#fetcher,
      clock: deps.clock,
      appender,
      view,
      replication: options.replication,
    })
  }

  open(): Promise<void> {
    return this.#registry.open()
  }

  async identity(): Promise<LogIdentity> {
    return { engine: 'kafka', id: this.#cluster.clusterId }
  }

  claimOf(source: SourceId): Promise<Claim | undefined> {
    return this.#registry.claimOf(source)
  }

  claims(): Promise<Claim[]> {
    return this.#registry.claims()
  }

  claim(source: SourceId, topic: string): Promise<Claim> {
    return this.#registry.claim(source, topic)
  }

  renewEpoch(source: SourceId): Promise<Claim> {
    return this.#registry.renewEpoch(source)
  }

  describe(sources: readonly SourceFields[]): Promise<void> {
    return this.#registry.describe(sources)
  }

  retire(source: SourceId): Promise<Claim> {
    return this.#registry.retire(source)
  }

  end(place: Place): Promise<PartitionEnd> {
    return this.#ends.of(place)
  }

  ends(places: readonly Place[]): Promise<Map<Place, PartitionEnd>> {
    return this.#ends.ofAll(places)
  }

  lastBatch(place: Place): Promise<BatchFacts | undefined> {
    return this.#lasts.of(place, factsOf)
  }

  lastBatches<Fact>(places: readonly Place[], look: (batch: Buffer) => Fact): Promise<Map<Place, Fact | undefined>> {
    return this.#lasts.ofAll(places, look)
  }

  batchBytesMax(topic: string): Promise<number | undefined> {
    return this.#limits.of(topic)
  }

  async append(place: Place, batch: EncodedBatch, proof: EndProof, sharer = OURSELVES): Promise<Appended> {
    const answer = await this.#appender.append(place, batch, proof, sharer)
    if (answer.outcome === 'refused' && answer.reason === 'too_large') this.#limits.forget(place.topic)
    return answer
  }

  fetch(cursors: readonly Cursor[], limits: FetchLimits): Promise<Fetched[]> {
    return this.#fetcher.fetch(cursors, limits)
  }

  follower(): Follower {
    this.#followers += 1
    return new KafkaFollower(this.#cluster, this.#clock, `${this.#followers}`)
  }

  async offsetAt(place: Place, timeMs: number): Promise<number> {
    const { node } = await this.#cluster.findLeader(place)
    const [part] = await this.#cluster.request(node, listOffsets, { places: [place], timestamp: Math.max(0, timeMs) })
    if (part?.error !== KAFKA_ERROR.none)
      throw new HeadraceError('log_unavailable', `${place.topic}[${place.partition}] by time: Kafka error ${part?.error}`)
    return part.offset >= 0 ? part.offset : (await this.end(place)).next
  }

  async trim(place: Place, before: number): Promise<void> {
    const { node } = await this.#cluster.findLeader(place)
    const { error } = await this.#cluster.request(
      node,
      deleteRecords,
      { place, before, timeoutMs: REQUEST_LIMIT_MS },
      REQUEST_LIMIT_MS,
    )
    if (error !== KAFKA_ERROR.none)
      throw new HeadraceError('log_unavailable', `${place.topic}[${place.partition}] could not be trimmed: Kafka error ${error}`)
  }

  async commitOffsets(group: string, offsets: readonly Cursor[]): Promise<void> {
    const entries = offsets.map(({ topic, partition, from }) => ({ topic, partition, offset: from }))
    await this.#atCoordinator(group, async node => {
      const answers = await this.#cluster.request(node, offsetCommit, { group, offsets: entries })
      return { error: answers.find(answer => answer.error !== KAFKA_ERROR.none)?.error ?? KAFKA_ERROR.none }
    })
  }

  async committedOffsets(group: string, places: readonly Place[]): Promise<Cursor[]> {
    const { offsets } = await this.#atCoordinator(group, node => this.#cluster.request(node, offsetFetch, { group, places }))
    return offsets.filter(({ offset }) => offset >= 0).map(({ topic, partition, offset }) => ({ topic, partition, from: offset }))
  }

  groupMembers(group: string): Promise<readonly GroupMember[]> {
    return membersOf(group, (api, request) => this.#atCoordinator(group, node => this.#cluster.request(node, api, request)))
  }

  async journal(topic: string): Promise<Journal> {
    return KafkaJournal.open(this.#journals, topic)
  }

  onProofsVoid(call: () => void): () => void {
    return this.#cluster.onProofsVoid(call)
  }

  close(): Promise<void> {
    return this.#cluster.close()
  }

  /** Asks the group's coordinator, which a broker that has just started may still be looking for. */
  async #atCoordinator<Answer extends { error: number }>(group: string, ask: (node: number) => Promise<Answer>): Promise<Answer> {
    const { node: anyNode } = await this.#cluster.findLeader({ topic: 'headrace.claims', partition: 0 })
    let error: number = KAFKA_ERROR.none
    for (let attempt = 0; attempt < COORDINATOR_ATTEMPTS_MAX; attempt++) {
      const found = await this.#cluster.request(anyNode, findCoordinator, { group })
      error = found.error
      if (error === KAFKA_ERROR.none) {
        const answer = await ask(found.node)
        if (answer.error === KAFKA_ERROR.none) return answer
        error = answer.error
      }
      if (!COORDINATOR_BUSY.includes(error)) break
      await new Promise<void>(resolve => this.#clock.after(COORDINATOR_PAUSE_MS, resolve))
    }
    throw groupError(group, error)
  }
}
