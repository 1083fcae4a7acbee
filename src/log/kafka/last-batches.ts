import { HeadraceError } from '../../runtime/errors.ts'
import type { Cursor, Place } from '../log.ts'
import { placeKey } from '../place-key.ts'
import type { KafkaCluster } from './cluster.ts'
import { KAFKA_ERROR, LEADER_MOVED } from './error-codes.ts'
import { fetchRecords } from './fetch-api.ts'
import { shareOf, splitBatches } from './fetched.ts'
import type { PartitionEnds } from './partition-ends.ts'

/** Partitions, and bytes of their last batches, in one request; the first of them comes whole, however large it is. */
const PARTITIONS_PER_REQUEST_MAX = 1_000
const BYTES_PER_REQUEST_MAX = 4 * 2 ** 20
/** Answers in a row with nothing for anybody: what is asked for was cut back meanwhile, or its leader is behind the one before it. */
const EMPTY_ANSWERS_MAX = 3

interface Sought extends Cursor {
  /** As whoever asked named it. */
  readonly place: Place
}

/** The last batches of many partitions: those of one leader in as few requests as their bounds allow. */
export class LastBatches {
  readonly #cluster: KafkaCluster
  readonly #ends: PartitionEnds

  constructor(cluster: KafkaCluster, ends: PartitionEnds) {
    this.#cluster = cluster
    this.#ends = ends
  }

  /** Rejects with `log_unavailable` where it cannot be read now. */
  async of<Fact>(place: Place, look: (batch: Buffer) => Fact): Promise<Fact | undefined> {
    const found = await this.ofAll([place], look)
    if (found.has(place)) return found.get(place)
    throw new HeadraceError('log_unavailable', `the last batch of ${place.topic}[${place.partition}] could not be read`)
  }

  /** Those that can be read now; rejects only where none can, and a broker did not answer. */
  async ofAll<Fact>(places: readonly Place[], look: (batch: Buffer) => Fact): Promise<Map<Place, Fact | undefined>> {
    const ends = await this.#ends.ofAll(places)
    const found = new Map<Place, Fact | undefined>()
    const sought: Sought[] = []
    for (const [place, { first, next }] of ends) {
      if (next > first) sought.push({ place, topic: place.topic, partition: place.partition, from: next - 1 })
      else found.set(place, undefined)
    }
    const byNode = Map.groupBy(sought, cursor => this.#cluster.leader(cursor)?.node)
    const read = await Promise.allSettled(
      [...byNode].map(([node, mine]) =>
        node === undefined ? undefined : this.#readFrom(node, mine, (place, batch) => found.set(place, look(batch))),
      ),
    )
    const failed = read.find(each => each.status === 'rejected')
    const isAway = failed?.reason instanceof HeadraceError && failed.reason.code === 'log_unavailable'
    if (failed && (found.size === 0 || !isAway)) throw failed.reason
    return found
  }

  async #readFrom(node: number, sought: readonly Sought[], give: (place: Place, batch: Buffer) => void): Promise<void> {
    const left = new Map(sought.map(cursor => [placeKey(cursor), cursor]))
    for (let empty = 0; left.size > 0 && empty < EMPTY_ANSWERS_MAX; ) {
      const parts = [...left.values()].slice(0, PARTITIONS_PER_REQUEST_MAX)
      const bytes = { maxBytes: BYTES_PER_REQUEST_MAX, maxBytesEach: shareOf(BYTES_PER_REQUEST_MAX, parts.length) }
      const answer = await this.#cluster.request(node, fetchRecords, { parts, maxWaitMs: 0, ...bytes })
      const before = left.size
      for (const part of answer.parts) {
        const key = placeKey(part)
        const cursor = left.get(key)
        if (!cursor) continue
        const batch = splitBatches(part, cursor.from).batches.at(-1)
        if (part.error === KAFKA_ERROR.none && !batch) continue
        // What is refused would be refused again, and keeps no other from being read.
        left.delete(key)
        if (batch) give(cursor.place, batch)
        else if (LEADER_MOVED.includes(part.error)) this.#cluster.forgetLeader(part)
      }
      empty = left.size < before ? 0 : empty + 1
    }
  }
}
