import { type ControlMessage, PROPERTY } from '../amqp/messages.ts'
import { NAME_PATTERN, type SourceId, sourceKey } from '../runtime/names.ts'
import type { Item, StoredDelivery } from './at-hand.ts'
import type { Parking } from './parking.ts'
import { StoredLane, type StoredLaneDeps } from './stored-lane.ts'

/** Sources of all gateways behind brokers. */
const LANES_MAX = 200_000

export interface StoredLanesDeps extends Omit<StoredLaneDeps, 'source' | 'tell' | 'progress'> {
  readonly parking: Parking
  readonly tell: (gateway: string, message: ControlMessage) => void
}

/** The lanes of all sources that come through brokers, whichever broker a message came from. */
export class StoredLanes {
  readonly #deps: StoredLanesDeps
  readonly #lanes = new Map<string, StoredLane>()
  readonly #progress = { atMs: Number.NEGATIVE_INFINITY }

  constructor(deps: StoredLanesDeps) {
    this.#deps = deps
  }

  /** Goes on with what lay parked when the core stopped. */
  restore(): void {
    const bySource = Map.groupBy(this.#deps.parking.list(), ({ gateway, source }) => sourceKey({ gateway, source }))
    for (const batches of bySource.values()) {
      const [first] = batches
      if (!first) continue
      const items = batches.map(({ id, sequence, count, epoch, crc }): Item => {
        return { sequence, count, epoch, crc, parkedAs: id, state: 'waiting' }
      })
      this.#laneOf({ gateway: first.gateway, source: first.source })?.restore(items)
    }
  }

  /** A message from the queue of `gateway`. One that names no source of it is set aside: it cannot be rejected. */
  take(gateway: string, delivery: StoredDelivery): void {
    const { properties, bytes } = delivery
    const source = String(properties[PROPERTY.source])
    const isItsOwn = properties[PROPERTY.gateway] === gateway && NAME_PATTERN.test(source)
    const lane = isItsOwn ? this.#laneOf({ gateway, source }) : undefined
    if (lane) lane.take(delivery)
    else {
      const why = `it names source "${source.slice(0, 80)}" of gateway "${String(properties[PROPERTY.gateway]).slice(0, 80)}"`
      // Where it cannot be kept it is held: the broker has it still.
      if (this.#deps.parking.setAside({ gateway, source: 'unknown', sequence: 0, bytes, why })) delivery.accept()
    }
  }

  #laneOf(source: SourceId): StoredLane | undefined {
    const key = sourceKey(source)
    const standing = this.#lanes.get(key)
    if (standing || this.#lanes.size >= LANES_MAX) return standing
    const { tell, logger, ...deps } = this.#deps
    const lane = new StoredLane({
      ...deps,
      source,
      logger: logger.child({ source: key }),
      tell: message => tell(source.gateway, message),
      progress: this.#progress,
    })
    this.#lanes.set(key, lane)
    return lane
  }
}
