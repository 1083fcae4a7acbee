import type { Clock, Timer } from '../../runtime/clock.ts'
import { HeadraceError, messageOf } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/logger.ts'
import type { Place } from '../log.ts'
import type { KafkaOptions } from '../options.ts'
import { placeKey } from '../place-key.ts'
import { type BrokerAddress, type ClusterMetadata, metadata } from './apis.ts'
import { KAFKA_ERROR } from './error-codes.ts'
import { fetchRecords } from './fetch-api.ts'
import { KafkaJs, type RawConnection } from './kafkajs-internals.ts'
import { Rests } from './rests.ts'
import { type Api, WireReader } from './wire.ts'

/** How long a broker may take over a request, ms; what is meant to wait there is added. */
export const REQUEST_LIMIT_MS = 10_000
/** What any broker can answer is asked of the next one after so long, ms. */
export const ASK_LIMIT_MS = 3_000
/** A broker that seems to know less than the others is asked after them for so long, ms. */
const DOUBT_FOR_MS = 30_000
/** Metadata is asked for no more often, ms. */
const REFRESH_PAUSE_MS = 100
/** How often leaders are looked at while somebody is interested, ms: a leader that changed and changed back is seen by its epoch alone. */
const REFRESH_EVERY_MS = 2_000

/**
 * A broker works through the requests of one connection in turn. What is small and new goes by a connection of its own, past the large requests that lie
 * on the common one; and whoever waits for what is not there yet does so on one of its own, or all others would wait behind it.
 */
export type Lane = 'common' | 'express' | `follower-${string}`

interface LaneConnections {
  readonly kafka: KafkaJs
  readonly connections: Map<string, Promise<RawConnection>>
}

export interface Leader {
  readonly node: number
  readonly epoch: number
  readonly address: string
}

/** Who leads what, and the connections to them. */
export class KafkaCluster {
  readonly #common: LaneConnections
  readonly #lanes = new Map<Lane, LaneConnections>()
  readonly #options: KafkaOptions
  readonly #clock: Clock
  readonly #log: Logger
  readonly #brokers = new Map<number, BrokerAddress>()
  readonly #leaders = new Map<string, Leader>()
  /** The newest leader epoch of each partition that a broker told. */
  readonly #epochs = new Map<string, number>()
  readonly #topicIds = new Map<string, string>()
  readonly #topics = new Set<string>()
  readonly #generations = new Map<string, number>()
  readonly #voidCalls = new Set<() => void>()
  readonly #rests: Rests
  readonly #doubtedUntilMs = new Map<string, number>()
  #refreshing: Promise<void> | undefined
  #refreshedMs = Number.NEGATIVE_INFINITY
  #timer: Timer | undefined
  #clusterId = ''
  #closed = false

  constructor(options: KafkaOptions, clock: Clock, log: Logger) {
    this.#options = options
    this.#clock = clock
    this.#log = log
    this.#rests = new Rests(clock)
    // Ends are read, and proofs made, on the common connection alone; what was under way on another when it went is asked for anew there.
    this.#common = { kafka: new KafkaJs(options, address => this.#socketChanged(address)), connections: new Map() }
    this.#lanes.set('common', this.#common)
  }

  get clusterId(): string {
    return this.#clusterId
  }

  get brokerCount(): number {
    return this.#brokers.size
  }

  /** A number that rises whenever a connection to the address is made or lost. */
  generation(address: string): number {
    return this.#generations.get(address) ?? 0
  }

  onProofsVoid(call: () => void): () => void {
    this.#voidCalls.add(call)
    return () => this.#voidCalls.delete(call)
  }

  leader(place: Place): Leader | undefined {
    return this.#leaders.get(placeKey(place))
  }

  /** The leader, asked for where it is not known; rejects with `log_unavailable` where there is none now. */
  async findLeader(place: Place): Promise<Leader> {
    const known = this.leader(place)
    if (known) return known
    await this.refresh([place.topic])
    const found = this.leader(place)
    if (!found) throw new HeadraceError('log_unavailable', `${place.topic}[${place.partition}] has no leader now`)
    return found
  }

  /** Their leaders may be others by now: they are asked for before the next use. */
  forgetLeader(...places: readonly Place[]): void {
    const known = places.filter(place => this.#leaders.delete(placeKey(place)))
    if (known.length > 0) for (const call of this.#voidCalls) call()
  }

  /** Whether the brokers said, when they were asked last, that there is no such topic. */
  isMissing(topic: string): boolean {
    return this.#topics.has(topic) && !this.#topicIds.has(topic)
  }

  async topicId(topic: string): Promise<string> {
    const known = this.#topicIds.get(topic)
    if (known !== undefined) return known
    await this.refresh([topic])
    const id = this.#topicIds.get(topic)
    if (id === undefined) throw new HeadraceError('log_unavailable', `topic ${topic} is not there`)
    return id
  }

  /** Metadata of topics, anew; a call while one is under way waits for it and asks again. */
  async refresh(topics: readonly string[] = []): Promise<void> {
    for (const topic of topics) this.#topics.add(topic)
    while (this.#refreshing) await this.#refreshing.catch(() => {})
    const sinceMs = this.#clock.monotonicMs() - this.#refreshedMs
    if (sinceMs < REFRESH_PAUSE_MS) await new Promise<void>(resolve => this.#clock.after(REFRESH_PAUSE_MS - sinceMs, resolve))
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined
      this.#refreshedMs = this.#clock.monotonicMs()
    })
    await this.#refreshing
  }

  /** Metadata as it is now, without keeping it. */
  async describe(topics: readonly string[], withRights?: true): Promise<ClusterMetadata> {
    return this.ask(metadata, { topics, ...(withRights && { withRights }) })
  }

  /** Sends a request to a broker. Rejects with `log_unavailable` where it cannot be reached, or does not answer in time: then its connections are dropped. */
  async request<Request, Response>(node: number, api: Api<Request, Response>, request: Request, waitMs = 0): Promise<Response> {
    return this.send(node, api, () => api.write(request), waitMs)
  }

  /** The same, with bytes that are made in the tick in which they are written. */
  async send<Response>(
    node: number,
    api: Api<never, Response>,
    encode: () => readonly Buffer[],
    waitMs = 0,
    lane: Lane = 'common',
  ): Promise<Response> {
    const broker = this.#brokers.get(node)
    if (!broker) throw new HeadraceError('log_unavailable', `broker ${node} is not known`)
    return this.#sendTo(addressOf(broker), api, encode, { waitMs, lane })
  }

  /** It may be cut off from the others, and not know it: what they know is asked of them first, for a while. */
  doubt(node: number): void {
    const broker = this.#brokers.get(node)
    if (broker) this.#doubt(addressOf(broker))
  }

  /** Sends a request that any broker can answer, to one after the other until one does; an answer that is not `good` is taken where there is no other. */
  async ask<Request, Response>(
    api: Api<Request, Response>,
    request: Request,
    good: (answer: Response) => boolean = () => true,
  ): Promise<Response> {
    let [last, other]: [unknown, { readonly answer: Response } | undefined] = [undefined, undefined]
    for (const address of this.#inOrder(api)) {
      try {
        const answer = await this.#sendTo(address, api, () => api.write(request), { limitMs: ASK_LIMIT_MS })
        if (good(answer)) return answer
        this.#doubt(address)
        other ??= { answer }
      } catch (error) {
        last = error
      }
    }
    if (other) return other.answer
    throw new HeadraceError('log_unavailable', `no broker answers: ${messageOf(last)}`, { cause: last })
  }

  /** Sends a request that is the controller's to answer, or that of a broker that passes it on. */
  async askController<Request, Response>(api: Api<Request, Response>, request: Request, waitMs: number): Promise<Response> {
    const { brokers, controller } = await this.describe([])
    const broker = brokers.find(({ id }) => id === controller)
    if (!broker) throw new HeadraceError('log_unavailable', 'the brokers have no controller now')
    return this.#sendTo(addressOf(broker), api, () => api.write(request), { waitMs })
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    for (const { kafka } of this.#lanes.values()) kafka.dropAll()
  }

  /** Ends the connections of a lane: what waits on them is rejected. */
  closeLane(lane: Lane): void {
    this.#lanes.get(lane)?.kafka.dropAll()
    this.#lanes.delete(lane)
  }

  /** Who is asked first: those connected, then those configured; last, who wants to be left in peace or is doubted. */
  #inOrder(api: Api<never, unknown>): string[] {
    const nowMs = this.#clock.monotonicMs()
    const isLast = (address: string) =>
      Math.max(this.#rests.untilMs(connectionName(address, 'common', api)), this.#doubtedUntilMs.get(address) ?? 0) > nowMs
    const known = [...this.#brokers.values()].map(addressOf)
    const connected = known.filter(address => this.#common.connections.has(address))
    const addresses = [...new Set([...connected, ...this.#options.brokers, ...known])]
    return [...addresses.filter(address => !isLast(address)), ...addresses.filter(isLast)]
  }

  #doubt(address: string): void {
    this.#doubtedUntilMs.set(address, this.#clock.monotonicMs() + DOUBT_FOR_MS)
  }

  /** Whether none of it is older than what is known. */
  #isNew({ topics }: ClusterMetadata): boolean {
    return topics.every(({ topic, id, error, partitions }) => {
      const known = this.#topicIds.get(topic)
      if (error === KAFKA_ERROR.unknownTopicOrPartition) return known === undefined
      if (error !== KAFKA_ERROR.none || known !== id) return true
      return partitions.every(
        ({ partition, leaderEpoch }) => leaderEpoch >= (this.#epochs.get(placeKey({ topic, partition })) ?? leaderEpoch),
      )
    })
  }

  async #refresh(): Promise<void> {
    const found = await this.ask(metadata, { topics: [...this.#topics] }, answer => this.#isNew(answer))
    this.#clusterId = found.clusterId
    for (const broker of found.brokers) this.#brokers.set(broker.id, broker)
    let moved = false
    for (const topic of found.topics) {
      if (topic.error === KAFKA_ERROR.unknownTopicOrPartition) moved = this.#forgetTopic(topic.topic) || moved
      if (topic.error !== 0) continue
      // A topic that was made anew has leaders of the same epochs as the old one, and is another log all the same.
      if (this.#topicIds.get(topic.topic) !== topic.id) moved = this.#forgetTopic(topic.topic) || moved
      this.#topicIds.set(topic.topic, topic.id)
      for (const { error, partition, leader, leaderEpoch } of topic.partitions) {
        const key = placeKey({ topic: topic.topic, partition })
        const broker = this.#brokers.get(leader)
        const before = this.#leaders.get(key)
        this.#epochs.set(key, leaderEpoch)
        if (error !== 0 && error !== 9) this.#leaders.delete(key)
        else if (broker) this.#leaders.set(key, { node: leader, epoch: leaderEpoch, address: addressOf(broker) })
        else this.#leaders.delete(key)
        if (before && (before.node !== leader || before.epoch !== leaderEpoch)) moved = true
      }
    }
    if (moved) for (const call of this.#voidCalls) call()
    this.#timer?.cancel()
    this.#timer = this.#clock.after(REFRESH_EVERY_MS, () => void this.refresh().catch(() => this.#again()), 'background')
  }

  /** It was deleted, or made anew; false where nothing was known of it. */
  #forgetTopic(topic: string): boolean {
    for (const known of [this.#leaders, this.#epochs])
      for (const key of known.keys()) if (key.startsWith(placeKey({ topic, partition: 0 }).slice(0, -1))) known.delete(key)
    return this.#topicIds.delete(topic)
  }

  #again(): void {
    if (this.#closed) return
    this.#timer = this.#clock.after(REFRESH_EVERY_MS, () => void this.refresh().catch(() => this.#again()), 'background')
  }

  async #sendTo<Response>(
    address: string,
    api: Api<never, Response>,
    encode: () => readonly Buffer[],
    { waitMs = 0, limitMs = REQUEST_LIMIT_MS, lane = 'common' }: { waitMs?: number; limitMs?: number; lane?: Lane },
  ): Promise<Response> {
    if (this.#closed) throw new HeadraceError('log_unavailable', 'the log is closed')
    const used = connectionName(address, lane, api)
    const { promise: late, reject } = Promise.withResolvers<never>()
    const beganMs = this.#clock.monotonicMs()
    const look = () => {
      const leftMs = Math.max(beganMs, this.#rests.untilMs(used)) + limitMs + waitMs - this.#clock.monotonicMs()
      if (leftMs > 0) {
        limit = this.#clock.after(leftMs, look)
        return
      }
      reject(new Error(`${api.name} was not answered within ${limitMs + waitMs} ms`))
      this.#drop(address, 'no answer')
    }
    let limit = this.#clock.after(limitMs + waitMs, look)
    const send = async () => {
      const connection = await this.#connection(address, lane)
      await this.#rests.over(used)
      return connection.send(api, encode)
    }
    try {
      const answer = new WireReader(await Promise.race([send(), late]))
      const response = api.read(answer)
      this.#rests.begin(used, answer.throttleMs)
      return response
    } catch (cause) {
      if (cause instanceof HeadraceError) throw cause
      throw new HeadraceError('log_unavailable', `broker ${address}: ${messageOf(cause)}`, { cause })
    } finally {
      limit.cancel()
    }
  }

  #connection(address: string, lane: Lane): Promise<RawConnection> {
    const { kafka, connections } = this.#lane(lane)
    const known = connections.get(address)
    if (known) return known
    const at = address.lastIndexOf(':')
    const opened = kafka.open(address.slice(0, at), Number(address.slice(at + 1))).then(async connection => {
      await connection.connect()
      return connection
    })
    connections.set(address, opened)
    opened.catch(() => {
      if (connections.get(address) === opened) connections.delete(address)
    })
    return opened
  }

  #lane(lane: Lane): LaneConnections {
    let found = this.#lanes.get(lane)
    if (!found) {
      found = { kafka: new KafkaJs(this.#options, () => {}), connections: new Map() }
      this.#lanes.set(lane, found)
    }
    return found
  }

  #drop(address: string, reason: string): void {
    for (const { kafka, connections } of this.#lanes.values()) {
      connections.delete(address)
      kafka.drop(address, reason)
    }
    this.#log.warn({ address, reason }, 'connections to a broker were dropped')
  }

  #socketChanged(address: string): void {
    this.#generations.set(address, this.generation(address) + 1)
    for (const call of this.#voidCalls) call()
  }
}

function addressOf({ host, port }: BrokerAddress): string {
  return `${host}:${port}`
}

/** Fetch has one of its own in every lane. */
function connectionName(address: string, lane: Lane, { key }: { readonly key: number }): string {
  return `${address} ${lane}${key === fetchRecords.key ? ' fetch' : ''}`
}
