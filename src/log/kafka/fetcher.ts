import { AT, ATTRIBUTE, BATCH_HEADER_BYTES, BATCH_PREFIX_BYTES } from '../../record/batch-header.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import type { Cursor, Fetched, FetchLimits } from '../log.ts'
import { EARLIEST, type FetchedPart, fetchRecords, LATEST, listOffsets } from './apis.ts'
import { type KafkaCluster, placeKey } from './cluster.ts'
import { KAFKA_ERROR, LEADER_MOVED } from './error-codes.ts'

/** With several leaders none is waited for longer, ms: what another has got should not lie there meanwhile. */
const WAIT_EACH_MAX_MS = 250
/** The share of one partition in a fetch is not less, so that few partitions do not take many fetches. */
const BYTES_EACH_MIN = 1024 * 1024
/** Between two fetches where a leader is away, or refuses what it is asked for, ms. */
const LEADERLESS_PAUSE_MS = 100

/** Reads whole batches of many partitions, from all their leaders at once. */
export class Fetcher {
  readonly #cluster: KafkaCluster

  constructor(cluster: KafkaCluster) {
    this.#cluster = cluster
  }

  async fetch(cursors: readonly Cursor[], limits: FetchLimits): Promise<Fetched[]> {
    const byLeader = await this.#byLeader(cursors)
    const waitMs = byLeader.size > 1 ? Math.min(limits.waitMs, WAIT_EACH_MAX_MS) : limits.waitMs
    const refused: FetchedPart[] = []
    const parts = await Promise.all(
      [...byLeader].map(([node, mine]) => this.#fetchFrom(node, mine, { maxBytes: limits.maxBytes, waitMs }, refused)),
    )
    const found = parts.flat()
    // Another leader would say the same, and whoever waits for one would wait without end. Where others can be read, they are.
    if (found.length === 0 && refused[0]) throw unread(refused[0])
    // A broker waits for nothing where it refuses something.
    if (refused.length > 0 && found.every(({ batches }) => batches.length === 0)) await rest()
    return found
  }

  async #byLeader(cursors: readonly Cursor[]): Promise<Map<number, Cursor[]>> {
    const topics = new Set(cursors.filter(cursor => !this.#cluster.leader(cursor)).map(cursor => cursor.topic))
    if (topics.size > 0) await this.#cluster.refresh([...topics])
    const groups = new Map<number, Cursor[]>()
    for (const cursor of cursors) {
      const leader = this.#cluster.leader(cursor)
      if (!leader) continue
      const group = groups.get(leader.node)
      if (group) group.push(cursor)
      else groups.set(leader.node, [cursor])
    }
    // All leaders are away: whoever asks again at once would do so without end.
    if (groups.size === 0 && cursors.length > 0) await rest()
    return groups
  }

  /** `refused`: gets what no other leader would give either. */
  async #fetchFrom(
    node: number,
    cursors: readonly Cursor[],
    { maxBytes, waitMs }: { maxBytes: number; waitMs: number },
    refused: FetchedPart[],
  ): Promise<Fetched[]> {
    const maxBytesEach = Math.max(BYTES_EACH_MIN, Math.floor(maxBytes / cursors.length))
    const request = { parts: cursors, maxWaitMs: waitMs, maxBytes, maxBytesEach }
    const answers = await this.#cluster.request(node, fetchRecords, request, waitMs)
    const from = new Map(cursors.map(cursor => [placeKey(cursor), cursor.from]))
    const found: Fetched[] = []
    for (const part of answers) {
      const { topic, partition, error, highWatermark: next, logStart: first } = part
      if (error === KAFKA_ERROR.none)
        found.push({ topic, partition, first, next, batches: split(part, from.get(placeKey(part)) ?? 0) })
      else if (error === KAFKA_ERROR.offsetOutOfRange) found.push(...(await this.#outOfRange(node, part)))
      else if (LEADER_MOVED.includes(error)) this.#cluster.forgetLeader(part)
      else refused.push(part)
    }
    return found
  }

  /** Nothing where the leader moved meanwhile: the next one may hold what is asked for. */
  async #outOfRange(node: number, { topic, partition }: FetchedPart): Promise<Fetched[]> {
    const places = [{ topic, partition }]
    const [first] = await this.#cluster.request(node, listOffsets, { places, timestamp: EARLIEST })
    const [next] = await this.#cluster.request(node, listOffsets, { places, timestamp: LATEST })
    if (first?.error === KAFKA_ERROR.none && next?.error === KAFKA_ERROR.none)
      return [{ topic, partition, first: first.offset, next: next.offset, batches: [], outOfRange: true }]
    this.#cluster.forgetLeader({ topic, partition })
    return []
  }
}

function rest(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, LEADERLESS_PAUSE_MS))
}

function unread({ topic, partition, error }: FetchedPart): HeadraceError {
  return new HeadraceError('log_unavailable', `${topic}[${partition}] cannot be read: Kafka error ${error}`)
}

/** The whole batches of a response, as views of it. A broker cuts the last one off where the bytes end; control batches are its own. */
function split({ records }: FetchedPart, from: number): Buffer[] {
  const batches: Buffer[] = []
  if (!records) return batches
  for (let at = 0; at + BATCH_HEADER_BYTES <= records.length; ) {
    const size = records.readInt32BE(at + AT.batchLength) + BATCH_PREFIX_BYTES
    if (size < BATCH_HEADER_BYTES || at + size > records.length) break
    const control = records.readInt16BE(at + AT.attributes) & ATTRIBUTE.control
    const end = Number(records.readBigInt64BE(at)) + records.readInt32BE(at + AT.lastOffsetDelta)
    if (!control && end >= from) batches.push(records.subarray(at, at + size))
    at += size
  }
  return batches
}
