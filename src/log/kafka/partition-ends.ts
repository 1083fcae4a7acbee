import type { Clock } from '../../runtime/clock.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import type { EndProof, PartitionEnd, Place } from '../log.ts'
import { KafkaProof } from './appender.ts'
import { BrokerEnds } from './broker-ends.ts'
import type { KafkaCluster, Leader } from './cluster.ts'
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
  readonly #brokers = new Map<string, BrokerEnds>()

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
    for (const place of places) answers.errors.delete(place)
    const led = places.flatMap(place => {
      const leader = this.#cluster.leader(place)
      return leader ? [{ place, leader }] : []
    })
    const asked = await Promise.allSettled(led.map(({ place, leader }) => this.#askLeader(place, leader, answers)))
    const failed = asked.find(each => each.status === 'rejected')
    if (failed && answers.ends.size === 0) throw failed.reason
  }

  async #askLeader(place: Place, leader: Leader, { ends, errors }: Answers): Promise<void> {
    const { earliest: from, latest: to, generation, provenMs } = await this.#brokerOf(leader).ask(place)
    if (!from || !to) return
    const error = to.error === KAFKA_ERROR.none ? from.error : to.error
    if (error === KAFKA_ERROR.none) {
      ends.set(place, { first: from.offset, next: to.offset, proof: new KafkaProof(leader, generation, provenMs) as EndProof })
      return
    }
    errors.set(place, error)
    if (LEADER_MOVED.includes(error)) this.#cluster.forgetLeader(place)
  }

  #brokerOf(leader: Leader): BrokerEnds {
    // At another address it is reached through another connection.
    const key = `${leader.node} ${leader.address}`
    let broker = this.#brokers.get(key)
    if (!broker) {
      broker = new BrokerEnds(this.#cluster, this.#clock, leader)
      this.#brokers.set(key, broker)
    }
    return broker
  }
}
