/** What a message is taken to weigh before any has come, bytes. */
const FIRST_GUESS_BYTES = 64 * 1024
/** How fast the guess follows batches that have become smaller: a tenth of the way with each. */
const GUESS_DECAY = 0.9

export interface CreditBounds {
  /** Messages granted or held at once. */
  readonly messagesMax: number
  /** Bytes held at once, as far as that can be foreseen: what is granted counts as what the last ones weighed. */
  readonly bytesMax: number
}

/** How many messages a peer may send, so that what is held of it stays within bounds. AMQP grants messages; memory is bytes. */
export class Credit {
  #bounds: CreditBounds
  /** Granted and not yet come. */
  #outstanding = 0
  #held = 0
  #heldBytes = 0
  #weightBytes = FIRST_GUESS_BYTES

  constructor(bounds: CreditBounds) {
    this.#bounds = bounds
  }

  /** What the next message is taken to weigh. */
  get weightBytes(): number {
    return this.#weightBytes
  }

  get heldBytes(): number {
    return this.#heldBytes
  }

  rebound(bounds: CreditBounds): void {
    this.#bounds = bounds
  }

  received(bytes: number): void {
    this.#outstanding = Math.max(0, this.#outstanding - 1)
    this.#held += 1
    this.#heldBytes += bytes
    this.#weightBytes = Math.max(bytes, this.#weightBytes * GUESS_DECAY + bytes * (1 - GUESS_DECAY))
  }

  settled(bytes: number): void {
    this.#held -= 1
    this.#heldBytes -= bytes
  }

  /** Messages to grant now, counted as granted; 0 while it is not yet worth a frame. No more than `allowed` are on their way then. */
  grant(allowed = Number.POSITIVE_INFINITY): number {
    const { messagesMax, bytesMax } = this.#bounds
    const byBytes = Math.floor((bytesMax - this.#heldBytes) / this.#weightBytes)
    // One is always on its way, so that a batch heavier than the bound passes too.
    const wanted = Math.min(allowed, Math.max(this.#held === 0 ? 1 : 0, Math.min(messagesMax - this.#held, byBytes)))
    const more = wanted - this.#outstanding
    if (more <= 0 || more * 4 < wanted) return 0
    this.#outstanding += more
    return more
  }
}
