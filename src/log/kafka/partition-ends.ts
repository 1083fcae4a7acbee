import type { Clock } from '../../runtime/clock.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import type { EndProof, PartitionEnd, Place } from '../log.ts'
import { placeKey } from '../place-key.ts'
import { EARLIEST, LATEST, listOffsets } from './apis.ts'
import { KafkaProof, toldMs } from './appender.ts'
import type { KafkaCluster } from './cluster.ts'
import { KAFKA_ERROR, LEADER_MOVED } from './error-codes.ts'

/** A broker that has just started takes requests before it leads its partitions: those are asked for anew, each time after the cluster's pause between looks. */
const ASKED_MAX = 4

/** What the brokers said of some partitions: of each either its end or the error code. */
interface Answers {
  readonly ends: Map<Place, PartitionEnd>
  readonly errors: Map<Place, number>
}

/** Begins and ends of partitions, each with the proof by which batches may be appended there. */
export class PartitionEnds {
  readonly #cluster: KafkaCluster
  readonly #clock: Clock

  constructor(cluster: KafkaCluster, clock: Clock) {
    this.#cluster = cluster
    this.#clock = clock
  }

  /** Rejects with `log_unavailable` where it cannot be read now. */
  async of(place: Place): Promise<PartitionEnd> {
    const { ends, errors } = await this.#ask([place])
    const end = ends.get(place)
    if (end) return end
    const error = errors.get(place)
    const reason = error === undefined ? 'it has no leader now' : `Kafka error ${error}`
    throw new HeadraceError('log_unavailable', `the end of ${place.topic}[${place.partition}] could not be read: ${reason}`)
  }

  /** Those that can be read now; rejects only where none can, and a broker did not answer. */
  async ofAll(places: readonly Place[]): Promise<Map<Place, PartitionEnd>> {
    return (await this.#ask(places)).ends
  }

  async #ask(places: readonly Place[]): Promise<Answers> {
    const answers: Answers = { ends: new Map(), errors: new Map() }
    let wanted = places
    for (let asked = 0; asked < ASKED_MAX && wanted.length > 0; asked++) {
      const leaderless = new Set(wanted.filter(place => !this.#cluster.leader(place)).map(place => place.topic))
      if (leaderless.size > 0) await this.#cluster.refresh([...leaderless])
      await this.#askLeaders(wanted, answers)
      wanted = wanted.filter(place => LEADER_MOVED.includes(answers.errors.get(place) ?? KAFKA_ERROR.none))
    }
    return answers
  }

  async #askLeaders(places: readonly Place[], answers: Answers): Promise<void> {
    const byNode = Map.groupBy(places, place => this.#cluster.leader(place)?.node ?? -1)
    byNode.delete(-1)
    for (const place of places) answers.errors.delete(place)
    const asked = await Promise.allSettled([...byNode].map(([node, mine]) => this.#askNode(node, mine, answers)))
    const failed = asked.find(each => each.status === 'rejected')
    if (failed && answers.ends.size === 0) throw failed.reason
  }

  async #askNode(node: number, places: readonly Place[], { ends, errors }: Answers): Promise<void> {
    const leaders = new Map(places.map(place => [place, this.#cluster.leader(place)]))
    const earliest = await this.#cluster.request(node, listOffsets, { places, timestamp: EARLIEST })
    // What is proven is proven through the connection that carries this request.
    let generation = -1
    let askedMs = 0
    const address = leaders.values().next().value?.address ?? ''
    const latest = await this.#cluster.send(node, listOffsets, () => {
      generation = this.#cluster.generation(address)
      askedMs = this.#clock.monotonicMs()
      return listOffsets.write({ places, timestamp: LATEST })
    })
    const provenMs = toldMs(askedMs, this.#clock.monotonicMs())
    const first = new Map(earliest.map(part => [placeKey(part), part]))
    const next = new Map(latest.map(part => [placeKey(part), part]))
    for (const place of places) {
      const leader = leaders.get(place)
      const [from, to] = [first.get(placeKey(place)), next.get(placeKey(place))]
      if (!leader || !from || !to) continue
      const error = to.error === KAFKA_ERROR.none ? from.error : to.error
      if (error === KAFKA_ERROR.none) {
        ends.set(place, { first: from.offset, next: to.offset, proof: new KafkaProof(leader, generation, provenMs) as EndProof })
        continue
      }
      errors.set(place, error)
      if (LEADER_MOVED.includes(error)) this.#cluster.forgetLeader(place)
    }
  }
}
