import type { Cursor, Fetched, FetchLimits } from '../log.ts'
import { placeKey } from '../place-key.ts'
import type { KafkaCluster } from './cluster.ts'
import { KAFKA_ERROR, LEADER_MOVED } from './error-codes.ts'
import { type FetchedPart, fetchRecords } from './fetch-api.ts'
import { boundsOutside, shareOf, splitBatches, unread } from './fetched.ts'

/** With several leaders none is waited for longer, ms: what another has got should not lie there meanwhile. */
const WAIT_EACH_MAX_MS = 250
/** Between two fetches where a leader is away, or refuses what it is asked for, ms. */
const LEADERLESS_PAUSE_MS = 100

/** Reads whole batches of many partitions once, from all their leaders at once; who reads them again and again: {@link KafkaFollower}. */
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
    const maxBytesEach = shareOf(maxBytes, cursors.length)
    const request = { parts: cursors, maxWaitMs: waitMs, maxBytes, maxBytesEach }
    const { parts: answers } = await this.#cluster.request(node, fetchRecords, request, waitMs)
    const from = new Map(cursors.map(cursor => [placeKey(cursor), cursor.from]))
    const found: Fetched[] = []
    for (const part of answers) {
      const { topic, partition, error, highWatermark: next, logStart: first } = part
      if (error === KAFKA_ERROR.none)
        found.push({ topic, partition, first, next, batches: splitBatches(part, from.get(placeKey(part)) ?? 0).batches })
      else if (error === KAFKA_ERROR.offsetOutOfRange) found.push(...(await boundsOutside(this.#cluster, node, part)))
      else if (LEADER_MOVED.includes(error)) this.#cluster.forgetLeader(part)
      else refused.push(part)
    }
    return found
  }
}

function rest(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, LEADERLESS_PAUSE_MS))
}
