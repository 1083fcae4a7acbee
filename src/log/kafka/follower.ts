import { type Clock, pause } from '../../runtime/clock.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import type { Cursor, Fetched, FetchLimits, Follower, Place } from '../log.ts'
import { placeKey } from '../place-key.ts'
import type { KafkaCluster, Lane } from './cluster.ts'
import { KAFKA_ERROR, LEADER_MOVED } from './error-codes.ts'
import { type FetchedPart, type FetchPart, type FetchResponse, fetchRecords } from './fetch-api.ts'
import { FetchSession } from './fetch-session.ts'
import { boundsOutside, shareOf, splitBatches, unread } from './fetched.ts'

/** Between two looks for leaders that are away, and before one that did not answer is asked again, ms. */
const LEADERLESS_PAUSE_MS = 100
/** A partition that its leader refuses to read is asked for so often, ms. */
const REFUSED_PAUSE_MS = 1_000
/**
 * In one session at the most: for each batch that is appended to one of its partitions, a broker goes over all of them, twice. Fewer, and as many more requests come back
 * with nothing while nothing is appended.
 */
const SESSION_PARTITIONS_MAX = 250
/** The share of a line in what one leader may bring is not less, bytes: a few large batches. */
const LINE_BYTES_MIN = 256 * 1024

/** What is asked of one leader by one session, and what it answered. */
interface Line {
  readonly node: number
  /** Among the lines to the same leader: each has a connection of its own, since a broker answers what comes on one in turn. */
  readonly number: number
  readonly session: FetchSession
  /** Settles when the answer is there; it never rejects. */
  asked: Promise<void> | undefined
  isFull: boolean
  answer: { readonly response: FetchResponse } | { readonly cause: unknown } | undefined
}

/** A partition that is not asked for just now. */
interface Resting {
  readonly part: FetchPart
  readonly againMs: number
  /** Its leader refused it. */
  readonly why?: FetchedPart
}

/**
 * Follows partitions on all their leaders, with sessions (KIP-227) of a bounded size and a request under way in each: what one has is given at once, and the others are
 * waited for by the next call. It has connections of its own, since on one that is shared all others would wait as long as it does.
 *
 * A partition is in one of these: a session of its leader; lost, where no leader is known; resting, after its leader did not answer or refused it.
 */
export class KafkaFollower implements Follower {
  readonly #cluster: KafkaCluster
  readonly #clock: Clock
  readonly #name: string
  /** By leader. */
  readonly #lines = new Map<number, Line[]>()
  readonly #lineOf = new Map<string, Line>()
  /** All that there ever were: a line that was given up leaves its connections behind, for the next with its number. */
  readonly #lanes = new Set<Lane>()
  readonly #lost = new Map<string, FetchPart>()
  readonly #resting = new Map<string, Resting>()
  readonly #unwatch: () => void
  #refreshedMs = Number.NEGATIVE_INFINITY
  /** Leaders changed, or may have: one that was cut off from its peers answers on, as if nothing came any more. */
  #mayHaveMoved = false
  #closed = false

  constructor(cluster: KafkaCluster, clock: Clock, name: string) {
    this.#cluster = cluster
    this.#clock = clock
    this.#name = name
    this.#unwatch = cluster.onProofsVoid(() => {
      this.#mayHaveMoved = true
    })
  }

  follow({ topic, partition, from }: Cursor): void {
    const part = { topic, partition, from }
    this.leave(part)
    this.#lost.set(placeKey(part), part)
  }

  leave(place: Place): void {
    const key = placeKey(place)
    this.#lineOf.get(key)?.session.leave(place)
    this.#lineOf.delete(key)
    this.#lost.delete(key)
    this.#resting.delete(key)
  }

  async fetch({ maxBytes, waitMs }: FetchLimits): Promise<Fetched[]> {
    if (this.#closed) throw new HeadraceError('log_unavailable', 'nothing is followed any more')
    if (this.#mayHaveMoved) this.#loseMoved()
    this.#wakeRested()
    await this.#findLeaders()
    const lines = this.#allLines
    for (const line of lines) if (!line.asked && !line.answer && line.session.size > 0) this.#ask(line, maxBytes, waitMs)
    const asked = lines.flatMap(line => line.asked ?? [])
    if (!lines.some(({ answer }) => answer)) {
      if (asked.length > 0) await Promise.race(asked)
      // Whoever asks again at once would do so without end.
      else await pause(this.#clock, LEADERLESS_PAUSE_MS)
    }
    return this.#take()
  }

  close(): void {
    this.#closed = true
    this.#unwatch()
    for (const lane of this.#lanes) this.#cluster.closeLane(lane)
  }

  get #allLines(): Line[] {
    return [...this.#lines.values()].flat()
  }

  #laneOf({ number }: Line): Lane {
    return `follower-${this.#name}-${number}`
  }

  /** `bytesMax`: of all lines to the same leader together. */
  #ask(line: Line, bytesMax: number, maxWaitMs: number): void {
    const lines = this.#lines.get(line.node)?.length ?? 1
    const maxBytes = Math.min(bytesMax, shareOf(bytesMax, lines, LINE_BYTES_MIN))
    const said = line.session.next()
    const maxBytesEach = shareOf(maxBytes, line.session.size)
    const encode = () => fetchRecords.write({ ...said, maxWaitMs, maxBytes, maxBytesEach })
    line.isFull = said.session.epoch === 0
    line.asked = this.#cluster
      .send(line.node, fetchRecords, encode, maxWaitMs, this.#laneOf(line))
      .then(
        response => {
          line.answer = { response }
        },
        cause => {
          line.answer = { cause }
        },
      )
      .finally(() => {
        line.asked = undefined
      })
  }

  /** What was answered by now. Nothing that was given is lost by what is thrown: that is thrown only where nothing is given. */
  async #take(): Promise<Fetched[]> {
    const found: Fetched[] = []
    let failure: unknown
    for (const line of this.#allLines) {
      const { answer } = line
      line.answer = undefined
      if (!answer) continue
      if ('cause' in answer) {
        failure ??= answer.cause
        this.#rest(line)
      } else if (line.session.answered(answer.response)) {
        for (const part of answer.response.parts) {
          // Since it was asked for, it was left, or is to be read from elsewhere.
          if (!line.session.isAsked(part)) continue
          const taken = await this.#takePart(line, part).catch(cause => {
            failure ??= cause
          })
          if (taken) found.push(taken)
        }
      } else if (line.isFull) {
        failure ??= new HeadraceError(
          'log_unavailable',
          `broker ${line.node} does not let us read: Kafka error ${answer.response.error}`,
        )
        this.#rest(line)
      }
    }
    if (found.length > 0) return found
    if (failure !== undefined) throw failure
    const [refused] = this.#resting.values()
    // Another leader would say the same, and whoever waits for one would wait without end. Where others can be read, they are.
    if (refused?.why && this.#lineOf.size === 0 && this.#lost.size === 0) throw unread(refused.why)
    return found
  }

  async #takePart({ node, session }: Line, part: FetchedPart): Promise<Fetched | undefined> {
    const { topic, partition, error, highWatermark: next, logStart: first } = part
    const from = session.fromOf(part) ?? 0
    if (error === KAFKA_ERROR.none) {
      const { batches, next: behind } = splitBatches(part, from)
      if (behind > from) session.read({ topic, partition, from: behind })
      return { topic, partition, first, next, batches }
    }
    if (error === KAFKA_ERROR.offsetOutOfRange) {
      const [bounds] = await boundsOutside(this.#cluster, node, part)
      return bounds
    }
    this.leave(part)
    const key = placeKey(part)
    if (LEADER_MOVED.includes(error)) {
      this.#cluster.forgetLeader(part)
      this.#lost.set(key, { topic, partition, from })
    } else {
      const againMs = this.#clock.monotonicMs() + REFUSED_PAUSE_MS
      this.#resting.set(key, { part: { topic, partition, from }, againMs, why: part })
    }
    return undefined
  }

  /** A leader that did not answer: its partitions may be led by another when they are asked for again. */
  #rest(line: Line): void {
    const againMs = this.#clock.monotonicMs() + LEADERLESS_PAUSE_MS
    const left = this.#lines.get(line.node)?.filter(other => other !== line) ?? []
    if (left.length > 0) this.#lines.set(line.node, left)
    else this.#lines.delete(line.node)
    for (const part of line.session.places) {
      this.#lineOf.delete(placeKey(part))
      this.#resting.set(placeKey(part), { part, againMs })
    }
  }

  #loseMoved(): void {
    this.#mayHaveMoved = false
    for (const { node, session } of this.#allLines) {
      for (const part of [...session.places]) {
        if (this.#cluster.leader(part)?.node !== node) this.follow(part)
      }
    }
  }

  #wakeRested(): void {
    const nowMs = this.#clock.monotonicMs()
    for (const [key, { part, againMs }] of this.#resting) {
      if (againMs > nowMs) continue
      this.#resting.delete(key)
      this.#lost.set(key, part)
    }
  }

  async #findLeaders(): Promise<void> {
    if (this.#lost.size === 0) return
    const isUnknown = (part: FetchPart) => this.#cluster.leader(part) === undefined
    const topics = new Set([...this.#lost.values()].filter(isUnknown).map(({ topic }) => topic))
    if (topics.size > 0 && this.#clock.monotonicMs() - this.#refreshedMs >= LEADERLESS_PAUSE_MS) {
      await this.#cluster.refresh([...topics]).finally(() => {
        this.#refreshedMs = this.#clock.monotonicMs()
      })
    }
    for (const [key, part] of this.#lost) {
      const node = this.#cluster.leader(part)?.node
      if (node === undefined) continue
      this.#lost.delete(key)
      const line = this.#lineWithRoom(node)
      this.#lineOf.set(key, line)
      line.session.read(part)
    }
  }

  #lineWithRoom(node: number): Line {
    const lines = this.#lines.get(node) ?? []
    const found = lines.find(({ session }) => session.size < SESSION_PARTITIONS_MAX)
    if (found) return found
    const taken = new Set(lines.map(({ number }) => number))
    let number = 0
    while (taken.has(number)) number += 1
    const line: Line = { node, number, session: new FetchSession(), asked: undefined, isFull: true, answer: undefined }
    this.#lines.set(node, [...lines, line])
    this.#lanes.add(this.#laneOf(line))
    return line
  }
}
