import { decodeBatch } from '../../record/batch-reader.ts'
import { fieldsForRegistry } from '../../record/fields.ts'
import type { Clock } from '../../runtime/clock.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import { type SourceId, sourceKey } from '../../runtime/names.ts'
import type { Claim, SourceFields } from '../log.ts'
import { EARLIEST, listOffsets } from './apis.ts'
import { type ClaimEntry, ClaimFold, encodeClaim, encodeFields, encodeRetired, FIRST_CLAIM } from './claim-fold.ts'
import { answer, ClaimQueue, refuse, type WaitingClaim } from './claim-queue.ts'
import type { KafkaCluster } from './cluster.ts'
import { KAFKA_ERROR } from './error-codes.ts'
import type { Fetcher } from './fetcher.ts'
import { FreePartitions, PARTITIONS_STEP } from './free-partitions.ts'
import { newProducerIds } from './producer-ids.ts'
import type { RecordAppender } from './record-appender.ts'
import { topicGone } from './registry-errors.ts'
import type { SourcesView } from './sources-view.ts'
import { ensureTopic } from './topics.ts'

export const CLAIMS_TOPIC = 'headrace.claims'
/** Another core may claim the same partition in the same moment; each attempt sees more of what they did. */
const CLAIM_ATTEMPTS_MAX = 20
/** Claims that are made together. What a topic is asked and given for one costs no more for all of them; others wait meanwhile, and all come to nothing if one step does. */
const CLAIMS_AT_ONCE_MAX = 250
const LEADERLESS_ANSWERS_MAX = 100
const READ_BYTES = 4 * 2 ** 20
/** How long a read waits for what should be there already, ms; and so often it is waited for. */
const READ_WAIT_MS = 500
const EMPTY_ANSWERS_MAX = 20

export interface RegistryDeps {
  readonly cluster: KafkaCluster
  readonly fetcher: Fetcher
  readonly clock: Clock
  readonly appender: RecordAppender
  readonly view: SourcesView
  readonly replication: number | undefined
}

/** The registry of claims in Kafka: a log of its own, read whole by everybody who decides from it. */
export class Registry {
  readonly #cluster: KafkaCluster
  readonly #fetcher: Fetcher
  readonly #clock: Clock
  readonly #replication: number | undefined
  readonly #appender: RecordAppender
  readonly #view: SourcesView
  readonly #fold = new ClaimFold()
  readonly #checked = new Set<string>()
  readonly #asked = new ClaimQueue()
  readonly #partitions: FreePartitions
  #next = 0
  #turn: Promise<unknown> = Promise.resolve()

  constructor(deps: RegistryDeps) {
    this.#cluster = deps.cluster
    this.#fetcher = deps.fetcher
    this.#clock = deps.clock
    this.#appender = deps.appender
    this.#view = deps.view
    this.#partitions = new FreePartitions(deps.cluster, deps.clock)
    this.#replication = deps.replication
  }

  async open(): Promise<void> {
    await ensureTopic(this.#cluster, { topic: CLAIMS_TOPIC, partitions: 1, replication: this.#replication })
    await this.#catchUp()
  }

  claimOf(source: SourceId): Promise<Claim | undefined> {
    return this.#inTurn(async () => {
      await this.#catchUp()
      const claim = this.#fold.of(source)
      return claim && this.#withTopicId(claim)
    })
  }

  claims(): Promise<Claim[]> {
    return this.#inTurn(async () => {
      await this.#catchUp()
      return this.#fold.all()
    })
  }

  /** Those that are asked for while others are worked on are claimed together: a fleet that comes for the first time brings thousands. */
  claim(source: SourceId, topic: string): Promise<Claim> {
    const claim = this.#asked.ask(source, topic)
    if (this.#asked.size === 1) this.#workOff()
    return claim
  }

  #workOff(): void {
    void this.#inTurn(async () => {
      const group = this.#asked.take(CLAIMS_AT_ONCE_MAX)
      if (this.#asked.size > 0) this.#workOff()
      const unknown = await this.#unknownOf(group, claim => this.#standing(claim))
      if (unknown.length > 0) await this.#claimUnknown(unknown)
    })
  }

  async #claimUnknown(group: readonly WaitingClaim[]): Promise<void> {
    let left = group
    try {
      await this.#catchUp()
      left = await this.#unknownOf(left, claim => this.#standing(claim))
    } catch (error) {
      refuse(left, error)
      return
    }
    const [first] = left
    if (first) await this.#claimIn(first.topic, left)
  }

  /** New claims in one topic. Another core may take a partition in the same moment: who wrote first has it, and the other tries the next. */
  async #claimIn(topic: string, group: readonly WaitingClaim[]): Promise<void> {
    let left = group
    const producers = new Map<WaitingClaim, number>()
    try {
      await this.#checkTopic(topic)
      for (let attempt = 0; attempt < CLAIM_ATTEMPTS_MAX; attempt++) {
        left = await this.#unknownOf(left, claim => this.#withTopicId(claim))
        if (left.length === 0) return
        await this.#giveProducers(left, producers)
        const partitions = await this.#partitions.find(topic, left.length, (...place) => this.#fold.isTaken(...place))
        const topicId = await this.#cluster.topicId(topic)
        const entries = left.map((waiting, index) => {
          const producerId = producers.get(waiting) ?? -1
          const partition = partitions[index] ?? -1
          const first = { producerId, epoch: 0, epochStart: 0, replaces: FIRST_CLAIM }
          return { ...waiting.source, topic, topicId, partition, ...first }
        })
        await this.#append(entries)
        await this.#catchUp()
      }
      const names = left.map(({ source }) => sourceKey(source)).join(', ')
      const what = `${names} could not be given a partition of ${topic} in ${CLAIM_ATTEMPTS_MAX} attempts`
      throw new HeadraceError('claim_refused', what)
    } catch (error) {
      refuse(left, error)
    }
  }

  async #giveProducers(group: readonly WaitingClaim[], producers: Map<WaitingClaim, number>): Promise<void> {
    const without = group.filter(waiting => !producers.has(waiting))
    const { node } = await this.#cluster.findLeader({ topic: CLAIMS_TOPIC, partition: 0 })
    const ids = await newProducerIds({ cluster: this.#cluster, clock: this.#clock }, node, without.length)
    for (const [index, waiting] of without.entries()) producers.set(waiting, ids[index] ?? -1)
  }

  /** Answers those who asked for sources that have a claim by now, and gives the others. */
  async #unknownOf(group: readonly WaitingClaim[], look: (claim: Claim) => Promise<Claim>): Promise<WaitingClaim[]> {
    const unknown: WaitingClaim[] = []
    for (const waiting of group) {
      const known = this.#fold.of(waiting.source)
      if (!known) unknown.push(waiting)
      else {
        await look(known).then(
          claim => answer(waiting, claim),
          error => refuse([waiting], error),
        )
      }
    }
    return unknown
  }

  renewEpoch(source: SourceId): Promise<Claim> {
    return this.#inTurn(async () => {
      await this.#catchUp()
      const standing = this.#fold.of(source)
      if (!standing) throw new HeadraceError('not_found', `${sourceKey(source)} has no claim`)
      const end = await this.#partitions.endOf(standing)
      const { gateway, source: name } = standing.source
      const { topic, partition, producerId, epoch, at } = standing
      const topicId = await this.#cluster.topicId(topic)
      const renewing = { epoch: epoch + 1, epochStart: end, replaces: at }
      await this.#append([{ gateway, source: name, topic, topicId, partition, producerId, ...renewing }])
      await this.#catchUp()
      const renewed = this.#fold.of(source)
      if (!renewed || renewed.epoch <= epoch)
        throw new HeadraceError('claim_refused', `another core renewed ${sourceKey(source)} in the same moment`)
      return this.#withTopicId(renewed)
    })
  }

  describe(sources: readonly SourceFields[]): Promise<void> {
    return this.#inTurn(async () => {
      const isNews = ({ source, fields }: SourceFields) => {
        const standing = this.#fold.of(source)
        return standing !== undefined && JSON.stringify(standing.fields ?? {}) !== JSON.stringify(fieldsForRegistry(fields))
      }
      if (!sources.some(isNews)) return
      await this.#catchUp()
      const news = sources.filter(isNews).map(({ source, fields }) => ({
        key: sourceKey(source),
        value: encodeFields(source, fieldsForRegistry(fields)),
      }))
      await this.#appender.appendAll(CLAIMS_TOPIC, news)
      await this.#catchUp()
      for (const { source } of sources) this.#publish(source)
    })
  }

  retire(source: SourceId): Promise<Claim> {
    return this.#inTurn(async () => {
      await this.#catchUp()
      const standing = this.#fold.of(source)
      if (!standing) throw new HeadraceError('not_found', `${sourceKey(source)} has no claim`)
      if (standing.retiredMs === undefined) {
        const entry = encodeRetired(standing, Math.floor(this.#clock.wallMs()))
        await this.#appender.append(CLAIMS_TOPIC, sourceKey(source), entry)
        await this.#catchUp()
      }
      const retired = this.#fold.of(source)
      if (retired?.retiredMs === undefined)
        throw new HeadraceError('claim_refused', `another core renewed ${sourceKey(source)} in the same moment`)
      return this.#withTopicId(retired)
    })
  }

  #publish(source: SourceId): void {
    const claim = this.#fold.of(source)
    if (claim) this.#view.publish(claim)
  }

  /** The topic as it is now: one that was made anew under the same name is another log. */
  async #withTopicId(claim: Claim): Promise<Claim> {
    this.#view.publish(claim)
    return { ...claim, topicId: await this.#cluster.topicId(claim.topic) }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work)
    this.#turn = result.catch(() => {})
    return result
  }

  /** A claim that stands is worth what its topic is: somebody may have set that wrong, or deleted it, since it was made. */
  async #standing(claim: Claim): Promise<Claim> {
    const { topic, partition } = claim
    if (this.#cluster.isMissing(topic)) this.#checked.delete(topic)
    if (!this.#checked.has(topic)) {
      const { topics } = await this.#cluster.describe([topic])
      if (topics[0]?.error === KAFKA_ERROR.unknownTopicOrPartition) throw topicGone(topic, partition)
      await this.#checkTopic(topic)
    }
    return this.#withTopicId(claim)
  }

  async #checkTopic(topic: string): Promise<void> {
    if (this.#checked.has(topic)) return
    await ensureTopic(this.#cluster, { topic, partitions: PARTITIONS_STEP, replication: this.#replication })
    this.#checked.add(topic)
  }

  #append(entries: readonly ClaimEntry[]): Promise<void> {
    const records = entries.map(entry => ({ key: sourceKey(entry), value: encodeClaim(entry) }))
    return this.#appender.appendAll(CLAIMS_TOPIC, records)
  }

  /** Reads the log of claims to its end. */
  async #catchUp(): Promise<void> {
    const place = { topic: CLAIMS_TOPIC, partition: 0 }
    const { node } = await this.#cluster.findLeader(place)
    const [earliest] = await this.#cluster.request(node, listOffsets, { places: [place], timestamp: EARLIEST })
    if (earliest && earliest.offset > this.#next) {
      throw new HeadraceError(
        'topic_refused',
        `${CLAIMS_TOPIC} begins at ${earliest.offset}: claims are missing, and nothing can be decided from what is left`,
        {
          advice: `Restore ${CLAIMS_TOPIC}; it must never be trimmed or compacted.`,
        },
      )
    }
    let unread = 0
    let empty = 0
    for (const end = await this.#partitions.endOf(place); this.#next < end; ) {
      const [part] = await this.#fetcher.fetch([{ ...place, from: this.#next }], { maxBytes: READ_BYTES, waitMs: READ_WAIT_MS })
      if (!part) {
        // Its leader is another by now. Nobody is kept waiting for as long as there is none.
        unread += 1
        if (unread >= LEADERLESS_ANSWERS_MAX)
          throw new HeadraceError('log_unavailable', `${CLAIMS_TOPIC} has no leader that can be read`)
        continue
      }
      const before = this.#next
      for (const batch of part.batches) {
        for (const record of decodeBatch(batch)) {
          if (record.sequence < this.#next) continue
          this.#fold.take(record.sequence, record.value)
          this.#next = record.sequence + 1
        }
      }
      if (part.outOfRange)
        throw new HeadraceError(
          'topic_refused',
          `${CLAIMS_TOPIC} does not hold offset ${this.#next}: it was made anew or cut back`,
          {
            advice: `Restore ${CLAIMS_TOPIC} and start this core again.`,
          },
        )
      // A leader may be behind the one that told the end, for as long as too few replicas follow it.
      if (this.#next === before) empty += 1
      if (empty >= EMPTY_ANSWERS_MAX)
        throw new HeadraceError('log_unavailable', `${CLAIMS_TOPIC} gives nothing at ${before}, though it ends at ${end}`)
    }
  }
}
