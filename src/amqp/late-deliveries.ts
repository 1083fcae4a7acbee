interface Numbered {
  readonly id: number
}

/** What rhea keeps the deliveries of a session in: a ring, of which places come free at its beginning alone. */
export interface Ring<Delivery extends Numbered> {
  readonly capacity: number
  readonly size: number
  push(delivery: Delivery): void
  pop_if(isOver: (delivery: Delivery) => boolean): number
  by_id(id: number): Delivery | undefined
}

/**
 * Stands in for the ring: whose outcome takes long is put aside once half of the ring is taken, so that others which were settled long ago give back
 * their places behind it. Else one delivery that waits keeps everybody waiting as soon as as many have passed it as the ring has places.
 */
export class LateDeliveries<Delivery extends Numbered> {
  readonly #ring: Ring<Delivery>
  readonly #late = new Map<number, Delivery>()

  constructor(ring: Ring<Delivery>) {
    this.#ring = ring
  }

  available(): number {
    return this.#ring.capacity - this.#ring.size - this.#late.size
  }

  push(delivery: Delivery): void {
    if (this.available() <= 0) throw new Error(`a session has more than ${this.#ring.capacity} deliveries that are not settled`)
    this.#ring.push(delivery)
  }

  pop_if(isOver: (delivery: Delivery) => boolean): void {
    for (const [id, delivery] of this.#late) if (isOver(delivery)) this.#late.delete(id)
    this.#ring.pop_if(delivery => {
      if (isOver(delivery)) return true
      if (this.#ring.size <= this.#ring.capacity / 2) return false
      this.#late.set(delivery.id, delivery)
      return true
    })
  }

  /** The ring by itself gives another one for the number of one that is gone, where it is nearly full. */
  by_id(id: number): Delivery | undefined {
    const found = this.#late.get(id) ?? this.#ring.by_id(id)
    return found?.id === id ? found : undefined
  }
}
