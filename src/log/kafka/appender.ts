import type { EncodedBatch } from '../../record/record.ts'
import type { Clock } from '../../runtime/clock.ts'
import { messageOf } from '../../runtime/errors.ts'
import type { Appended, EndProof, Place } from '../log.ts'
import { placeKey } from '../place-key.ts'
import { type ProducedPartition, produce } from './apis.ts'
import type { KafkaCluster, Lane, Leader } from './cluster.ts'
import { KAFKA_ERROR, LEADER_MOVED } from './error-codes.ts'
import { FairQueue } from './fair-queue.ts'

/** Produce requests under way to one broker: it works on one at a time, the next should lie there already. */
const REQUESTS_IN_FLIGHT_PER_BROKER = 3
/** Bytes of batches in one request: enough to keep a broker busy, and so few that what comes new does not wait long behind what is under way. */
const REQUEST_BYTES_MAX = 2 ** 20
/** While so much is under way to a broker, small batches go past it by a connection of their own, in one small request at a time. */
const EXPRESS_FROM_BYTES = 256 * 1024
const EXPRESS_BATCH_BYTES_MAX = 32 * 1024
const EXPRESS_REQUEST_BYTES_MAX = 128 * 1024
/** After it failed nothing goes there for a while: where a broker takes no second connection, what is small must not come to grief at it again and again. */
const EXPRESS_REST_MS = 30_000
/** How long the leader waits for its followers, ms. */
const ACKS_LIMIT_MS = 8_000
/** A proof without an answer for so long is void: another ingress may have gone on meanwhile. */
const PROOF_LIMIT_MS = 5_000

const PROOF_VOID: Appended = {
  outcome: 'refused',
  reason: 'proof_void',
  detail: 'the proof of where the partition ends was void',
}

/** Where a partition ended, and through what that was read. It stays good as long as answers come on the same connection from the same leader epoch. */
export class KafkaProof {
  readonly brand = 'end-proof'
  readonly leader: Leader
  readonly generation: number
  provenMs: number

  constructor(leader: Leader, generation: number, provenMs: number) {
    this.leader = leader
    this.generation = generation
    this.provenMs = provenMs
  }
}

/**
 * The time for which an answer speaks. One that took long may have lain here unread, while this process was stopped or the line was dead: it says what was
 * when it was asked for.
 */
export function toldMs(askedMs: number, readMs: number): number {
  return readMs - askedMs > PROOF_LIMIT_MS ? askedMs : readMs
}

interface Waiting {
  readonly place: Place
  readonly batch: EncodedBatch
  readonly proof: EndProof
  readonly sharer: string
  readonly settle: (appended: Appended) => void
}

interface BrokerQueue {
  readonly waiting: FairQueue<Waiting>
  inFlight: number
  bytesInFlight: number
  isExpressBusy: boolean
  /** Monotonic ms until which the express lane is not used. */
  expressRestsUntilMs: number
  scheduled: boolean
}

/**
 * Appends batches: those of one tick, and those that come while requests are under way, share a request for each leader. While much is under way, the small
 * ones among what waits go past it:
 *
 *   common    ══ 1 MiB ══ 1 MiB ══ 1 MiB ══►
 *   express   ─ 3 kB ─►
 */
export class Appender {
  readonly #cluster: KafkaCluster
  readonly #clock: Clock
  readonly #queues = new Map<number, BrokerQueue>()
  /** Partitions with a batch under way: the one after it must not go by another connection. */
  readonly #underWay = new Map<string, number>()
  #isLookingAtProofs = false

  constructor(cluster: KafkaCluster, clock: Clock) {
    this.#cluster = cluster
    this.#clock = clock
    cluster.onProofsVoid(() => this.#lookAtProofs())
  }

  append(place: Place, batch: EncodedBatch, proof: EndProof, sharer: string): Promise<Appended> {
    const leader = this.#cluster.leader(place)
    if (!leader) {
      void this.#cluster.refresh([place.topic]).catch(() => {})
      return Promise.resolve({ outcome: 'unavailable', detail: `${place.topic}[${place.partition}] has no known leader` })
    }
    return new Promise(settle => {
      const queue = this.#queueOf(leader.node)
      queue.waiting.push({ place, batch, proof, sharer, settle })
      if (queue.inFlight < REQUESTS_IN_FLIGHT_PER_BROKER || isSmall(batch)) this.#schedule(leader.node, queue)
    })
  }

  #queueOf(node: number): BrokerQueue {
    let queue = this.#queues.get(node)
    if (!queue) {
      queue = {
        waiting: new FairQueue(),
        inFlight: 0,
        bytesInFlight: 0,
        isExpressBusy: false,
        expressRestsUntilMs: Number.NEGATIVE_INFINITY,
        scheduled: false,
      }
      this.#queues.set(node, queue)
    }
    return queue
  }

  #schedule(node: number, queue: BrokerQueue): void {
    const mayGo = queue.inFlight < REQUESTS_IN_FLIGHT_PER_BROKER || !queue.isExpressBusy
    if (queue.scheduled || queue.waiting.size === 0 || !mayGo) return
    queue.scheduled = true
    setImmediate(() => {
      queue.scheduled = false
      const lane = this.#sendNext(node, queue)
      if (lane) this.#schedule(node, queue)
    })
  }

  /** Gives the lane by which something went. */
  #sendNext(node: number, queue: BrokerQueue): Lane | undefined {
    const { waiting, inFlight, bytesInFlight, isExpressBusy, expressRestsUntilMs } = queue
    const isOpen = !isExpressBusy && this.#clock.monotonicMs() >= expressRestsUntilMs
    const small = bytesInFlight >= EXPRESS_FROM_BYTES && isOpen ? this.#takeSmall(waiting) : []
    const lane = small.length > 0 ? 'express' : 'common'
    const taken = small.length > 0 || inFlight >= REQUESTS_IN_FLIGHT_PER_BROKER ? small : waiting.take(REQUEST_BYTES_MAX)
    if (taken.length === 0) return undefined
    void this.#send(node, queue, taken, lane)
    return lane
  }

  /** Gives back what can go nowhere any more: a broker that is frozen takes minutes to get through what waits for it, while another may lead by now. */
  #lookAtProofs(): void {
    if (this.#isLookingAtProofs) return
    this.#isLookingAtProofs = true
    // Leaders are forgotten one by one.
    setImmediate(() => {
      this.#isLookingAtProofs = false
      for (const [node, { waiting }] of this.#queues)
        for (const { settle } of waiting.takeOut(item => !this.#isGood(item, node))) settle(PROOF_VOID)
    })
  }

  #takeSmall(waiting: FairQueue<Waiting>): Waiting[] {
    const isFree = ({ place, batch }: Waiting) => isSmall(batch) && !this.#underWay.has(placeKey(place))
    return waiting.take(EXPRESS_REQUEST_BYTES_MAX, isFree)
  }

  async #send(node: number, queue: BrokerQueue, taken: readonly Waiting[], lane: Lane): Promise<void> {
    const bytes = taken.reduce((sum, { batch }) => sum + batch.bytes.length, 0)
    if (lane === 'express') queue.isExpressBusy = true
    else {
      queue.inFlight += 1
      queue.bytesInFlight += bytes
    }
    for (const { place } of taken) this.#underWay.set(placeKey(place), (this.#underWay.get(placeKey(place)) ?? 0) + 1)
    let sent: ReadonlySet<Waiting> = new Set()
    let askedMs = 0
    try {
      const answers = await this.#cluster.send(
        node,
        produce,
        () => {
          // The tick in which the bytes are written: what is void now must not go out.
          sent = new Set(taken.filter(waiting => this.#isGood(waiting, node)))
          askedMs = this.#clock.monotonicMs()
          const parts = [...sent].map(({ place, batch }) => ({ ...place, records: batch.bytes }))
          return produce.write({ parts, timeoutMs: ACKS_LIMIT_MS })
        },
        ACKS_LIMIT_MS,
        lane,
      )
      this.#answer(taken, sent, answers, toldMs(askedMs, this.#clock.monotonicMs()))
    } catch (error) {
      if (lane === 'express') queue.expressRestsUntilMs = this.#clock.monotonicMs() + EXPRESS_REST_MS
      for (const waiting of taken) {
        if (sent.has(waiting)) waiting.settle({ outcome: 'unavailable', detail: messageOf(error) })
        else waiting.settle({ outcome: 'refused', reason: 'proof_void', detail: 'it was not sent' })
      }
      this.#cluster.forgetLeader(...taken.map(({ place }) => place))
      void this.#cluster.refresh().catch(() => {})
    } finally {
      if (lane === 'express') queue.isExpressBusy = false
      else {
        queue.inFlight -= 1
        queue.bytesInFlight -= bytes
      }
      for (const { place } of taken) this.#ended(placeKey(place))
      this.#schedule(node, queue)
    }
  }

  #ended(place: string): void {
    const left = (this.#underWay.get(place) ?? 0) - 1
    if (left > 0) this.#underWay.set(place, left)
    else this.#underWay.delete(place)
  }

  #isGood({ place, proof }: Waiting, node: number): boolean {
    if (!(proof instanceof KafkaProof)) return false
    const { leader, generation, provenMs } = proof
    const now = this.#cluster.leader(place)
    if (!now || now.node !== node || now.node !== leader.node || now.epoch !== leader.epoch) return false
    return this.#cluster.generation(leader.address) === generation && this.#clock.monotonicMs() - provenMs <= PROOF_LIMIT_MS
  }

  #answer(taken: readonly Waiting[], sent: ReadonlySet<Waiting>, answers: readonly ProducedPartition[], provenMs: number): void {
    const byPlace = new Map(answers.map(answer => [placeKey(answer), answer]))
    for (const waiting of taken) {
      if (!sent.has(waiting)) {
        waiting.settle(PROOF_VOID)
        continue
      }
      const answer = byPlace.get(placeKey(waiting.place))
      if (!answer) waiting.settle({ outcome: 'unavailable', detail: 'the broker did not answer for this partition' })
      else this.#settle(waiting, answer, provenMs)
    }
  }

  #settle({ place, proof, settle }: Waiting, answer: ProducedPartition, provenMs: number): void {
    if (answer.error === KAFKA_ERROR.none) {
      if (proof instanceof KafkaProof) proof.provenMs = provenMs
      settle({ outcome: answer.isRepeat ? 'repeated' : 'appended', offset: answer.baseOffset })
      return
    }
    // A leader whose followers do not follow may be none any more.
    const isDoubtful = answer.error === KAFKA_ERROR.requestTimedOut && proof instanceof KafkaProof
    if (isDoubtful) this.#cluster.doubt(proof.leader.node)
    if (LEADER_MOVED.includes(answer.error)) this.#cluster.forgetLeader(place)
    if (isDoubtful || LEADER_MOVED.includes(answer.error)) {
      void this.#cluster.refresh([place.topic]).catch(() => {})
    }
    settle(outcomeOf(answer))
  }
}

function isSmall({ bytes }: EncodedBatch): boolean {
  return bytes.length <= EXPRESS_BATCH_BYTES_MAX
}

function outcomeOf({ error, message }: ProducedPartition): Appended {
  const detail = `Kafka error ${error}${message ? `: ${message}` : ''}`
  switch (error) {
    case KAFKA_ERROR.outOfOrderSequence:
    case KAFKA_ERROR.duplicateSequence:
      return { outcome: 'refused', reason: 'gap', detail }
    case KAFKA_ERROR.invalidProducerEpoch:
      return { outcome: 'refused', reason: 'fenced', detail }
    case KAFKA_ERROR.corruptMessage:
      return { outcome: 'refused', reason: 'corrupt', detail }
    case KAFKA_ERROR.messageTooLarge:
      return { outcome: 'refused', reason: 'too_large', detail }
    case KAFKA_ERROR.invalidTimestamp:
    case KAFKA_ERROR.transactionalIdAuthorization:
    case KAFKA_ERROR.invalidRecord:
    case KAFKA_ERROR.unknownServerError:
      return { outcome: 'refused', reason: 'rejected', detail }
    default:
      return { outcome: 'unavailable', detail }
  }
}
