import type { Clock } from '../../runtime/clock.ts'
import type { Place } from '../log.ts'
import { placeKey } from '../place-key.ts'
import { EARLIEST, LATEST, listOffsets, type OffsetPart } from './apis.ts'
import { toldMs } from './appender.ts'
import type { KafkaCluster, Leader } from './cluster.ts'

/** Partitions in one request: a broker answers in a few milliseconds, and what lies behind it on the connection waits no longer. */
const PARTITIONS_PER_REQUEST_MAX = 1_000

/** What a broker said of one partition. */
export interface ToldEnd {
  readonly earliest: OffsetPart | undefined
  readonly latest: OffsetPart | undefined
  /** Of the connection that carried the request for the end. */
  readonly generation: number
  /** For which time it speaks, monotonic ms. */
  readonly provenMs: number
}

interface Wanted {
  readonly place: Place
  readonly told: PromiseWithResolvers<ToldEnd>
}

/**
 * Asks one broker for begins and ends. Those that are asked for in one tick, or while others are under way, go together: thousands of partitions whose proof
 * has run out are two requests, not two each. What waits is bounded by who asks, each for its own partitions.
 */
export class BrokerEnds {
  readonly #cluster: KafkaCluster
  readonly #clock: Clock
  readonly #leader: Pick<Leader, 'node' | 'address'>
  readonly #waiting = new Map<string, Wanted>()
  #isBusy = false

  constructor(cluster: KafkaCluster, clock: Clock, leader: Pick<Leader, 'node' | 'address'>) {
    this.#cluster = cluster
    this.#clock = clock
    this.#leader = leader
  }

  /** Rejects where the broker does not answer. */
  ask(place: Place): Promise<ToldEnd> {
    const key = placeKey(place)
    // A broker refuses a request that names a partition twice.
    const wanted = this.#waiting.get(key) ?? { place, told: Promise.withResolvers<ToldEnd>() }
    this.#waiting.set(key, wanted)
    if (!this.#isBusy) {
      this.#isBusy = true
      setImmediate(() => void this.#work())
    }
    return wanted.told.promise
  }

  async #work(): Promise<void> {
    while (this.#waiting.size > 0) {
      const asked = [...this.#waiting.values()].slice(0, PARTITIONS_PER_REQUEST_MAX)
      for (const { place } of asked) this.#waiting.delete(placeKey(place))
      try {
        await this.#askTogether(asked)
      } catch (cause) {
        // Nor would it answer those that wait: none of them waits for a second limit.
        for (const { told } of [...asked, ...this.#waiting.values()]) told.reject(cause)
        this.#waiting.clear()
      }
    }
    this.#isBusy = false
  }

  async #askTogether(asked: readonly Wanted[]): Promise<void> {
    const places = asked.map(({ place }) => place)
    const [earliest, latest] = await Promise.all([
      this.#cluster.request(this.#leader.node, listOffsets, { places, timestamp: EARLIEST }),
      this.#askLatest(places),
    ])
    const first = byPlace(earliest)
    const next = byPlace(latest.parts)
    const { generation, provenMs } = latest
    for (const { place, told } of asked) {
      const key = placeKey(place)
      told.resolve({ earliest: first.get(key), latest: next.get(key), generation, provenMs })
    }
  }

  async #askLatest(places: readonly Place[]) {
    const { node, address } = this.#leader
    // What is proven is proven through the connection that carries this request.
    let generation = -1
    let askedMs = 0
    const parts = await this.#cluster.send(node, listOffsets, () => {
      generation = this.#cluster.generation(address)
      askedMs = this.#clock.monotonicMs()
      return listOffsets.write({ places, timestamp: LATEST })
    })
    return { parts, generation, provenMs: toldMs(askedMs, this.#clock.monotonicMs()) }
  }
}

function byPlace(parts: readonly OffsetPart[]): Map<string, OffsetPart> {
  return new Map(parts.map(part => [placeKey(part), part]))
}
