import type { Clock } from '../../runtime/clock.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import type { Place } from '../log.ts'
import { placeKey } from '../place-key.ts'
import { LATEST, listOffsets, type OffsetPart } from './apis.ts'
import { BUSY_ATTEMPTS_MAX, busyPause } from './busy.ts'
import type { KafkaCluster } from './cluster.ts'
import { KAFKA_ERROR, LEADER_MOVED } from './error-codes.ts'
import { endUnread } from './registry-errors.ts'
import { addPartitions } from './topics.ts'

/** Partitions are added so many at a time, as sources come: each addition takes the controller a moment. */
export const PARTITIONS_STEP = 8
/** Who leads a partition that has no leader now. */
const NOBODY = -1
/** A broker that is making a thousand partitions has no time to say of each that it is not there yet. */
const ASKED_FIRST = 8
const ASKED_MORE = 8
/** A broker that says that it does not lead what was just made has not come to it yet: who leads it is asked only so often. */
const LEADER_ANEW_EVERY = 10

/** Partitions for new sources, and where they end. */
export class FreePartitions {
  readonly #cluster: KafkaCluster
  readonly #clock: Clock

  constructor(cluster: KafkaCluster, clock: Clock) {
    this.#cluster = cluster
    this.#clock = clock
  }

  /** The lowest partitions that nobody has. What holds data without a claim is somebody else's. */
  async find(topic: string, wanted: number, isTaken: (topic: string, partition: number) => boolean): Promise<number[]> {
    for (;;) {
      const count = await this.#partitionsOf(topic)
      const free: number[] = []
      for (let partition = 0; partition < count && free.length < wanted; partition++) {
        if (!isTaken(topic, partition)) free.push(partition)
      }
      if (free.length === wanted) {
        await this.#checkEmpty(topic, free)
        return free
      }
      const steps = Math.ceil((wanted - free.length) / PARTITIONS_STEP)
      await addPartitions(this.#cluster, topic, count + steps * PARTITIONS_STEP)
      await this.#partitionsOf(topic, count + 1)
    }
  }

  async #checkEmpty(topic: string, partitions: readonly number[]): Promise<void> {
    const ends = await this.#endsOf(partitions.map(partition => ({ topic, partition })))
    const at = ends.findIndex(end => end > 0)
    if (at < 0) return
    throw new HeadraceError(
      'topic_refused',
      `topic ${topic} holds data of somebody else: partition ${partitions[at]} has ${ends[at]} records, and no source claims it`,
      {
        advice: 'Name another topic in the pipeline (`topic:`); Headrace writes only into topics of its own.',
      },
    )
  }

  /** How many partitions a topic has, once it has so many: what was just made is not known to the broker that is asked in the same moment. */
  async #partitionsOf(topic: string, atLeast = 1): Promise<number> {
    for (let attempt = 0; attempt < BUSY_ATTEMPTS_MAX; attempt++) {
      const { topics } = await this.#cluster.describe([topic])
      const count = topics[0]?.partitions.length ?? 0
      if (count >= atLeast) return count
      await busyPause(this.#clock)
    }
    throw new HeadraceError('log_unavailable', `topic ${topic} does not come to ${atLeast} partitions, though they were made`)
  }

  /** Where a partition ends. */
  async endOf(place: Place): Promise<number> {
    const [end = 0] = await this.#endsOf([place])
    return end
  }

  /** The ends of partitions. Those that have just been made have no leader for a moment: a few are asked about until theirs is there, and then the others. */
  async #endsOf(places: readonly Place[]): Promise<number[]> {
    const found = new Map<string, number>()
    let asked = ASKED_FIRST
    let error: number | undefined
    for (let attempt = 1; attempt <= BUSY_ATTEMPTS_MAX; ) {
      const left = places.filter(place => !found.has(placeKey(place))).slice(0, asked)
      const moved = await this.#askEnds(left, found)
      error = moved[0]?.error ?? error
      if (found.size === places.length) return places.map(place => found.get(placeKey(place)) ?? 0)
      if (left.every(place => found.has(placeKey(place)))) {
        asked *= ASKED_MORE
        continue
      }
      if (attempt % LEADER_ANEW_EVERY === 0) this.#cluster.forgetLeader(...moved)
      attempt += 1
      await busyPause(this.#clock)
    }
    throw endUnread(places.find(place => !found.has(placeKey(place))) ?? { topic: '?', partition: -1 }, error)
  }

  /** Finds what can be found now; gives those that are not led where they are said to be. */
  async #askEnds(places: readonly Place[], found: Map<string, number>): Promise<OffsetPart[]> {
    const unled = places.find(place => !this.#cluster.leader(place))
    if (unled) await this.#cluster.findLeader(unled).catch(() => {})
    const byNode = Map.groupBy(places, place => this.#cluster.leader(place)?.node ?? NOBODY)
    byNode.delete(NOBODY)
    const moved: OffsetPart[] = []
    for (const [node, mine] of byNode) {
      for (const part of await this.#cluster.request(node, listOffsets, { places: mine, timestamp: LATEST })) {
        if (part.error === KAFKA_ERROR.none) found.set(placeKey(part), part.offset)
        else if (!LEADER_MOVED.includes(part.error)) throw endUnread(part, part.error)
        else moved.push(part)
      }
    }
    return moved
  }
}
