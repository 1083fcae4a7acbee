/** How a simulated device misbehaves: how likely each is for a message, 0 to 1. All of it comes from the seed. */
export interface MischiefOptions {
  readonly seed: number
  /** Random bytes before a message. */
  readonly noise: number
  /** One byte of it is lost. */
  readonly drop: number
  /** One bit of it is wrong, and its checksum with it. */
  readonly garble: number
  /** It comes late, by up to `lagMs`. */
  readonly lag: number
  readonly lagMs: number
  /** The device starts anew in the middle of it: the port is gone for a moment. */
  readonly restart: number
}

export const WELL_BEHAVED: MischiefOptions = { seed: 1, noise: 0, drop: 0, garble: 0, lag: 0, lagMs: 0, restart: 0 }

export type Misdeed = 'noise' | 'drop' | 'garble' | 'lag' | 'restart'

/** What is done instead of sending a message as it is. */
export interface Spoilt {
  readonly bytes: Buffer
  readonly delayMs: number
  readonly restarts: boolean
}

const NOISE_BYTES_MAX = 24

/** Spoils messages, the same for the same seed, and counts what it did. */
export class Mischief {
  readonly done: Record<Misdeed, number> = { noise: 0, drop: 0, garble: 0, lag: 0, restart: 0 }
  readonly #options: MischiefOptions
  #state: number

  constructor(options: MischiefOptions) {
    this.#options = options
    this.#state = options.seed >>> 0
  }

  spoil(message: Buffer): Spoilt {
    const { noise, drop, garble, lag, lagMs, restart } = this.#options
    let bytes = Buffer.from(message)
    if (this.#happens('garble', garble)) {
      const at = this.#below(bytes.length)
      bytes[at] = (bytes[at] ?? 0) ^ (1 << this.#below(8))
    }
    if (this.#happens('drop', drop)) {
      const at = this.#below(bytes.length)
      bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)])
    }
    if (this.#happens('noise', noise)) {
      const random = Buffer.from(Array.from({ length: 1 + this.#below(NOISE_BYTES_MAX) }, () => this.#below(256)))
      bytes = Buffer.concat([random, bytes])
    }
    const delayMs = this.#happens('lag', lag) ? 1 + this.#below(lagMs) : 0
    const restarts = this.#happens('restart', restart)
    if (restarts) bytes = bytes.subarray(0, this.#below(bytes.length))
    return { bytes, delayMs, restarts }
  }

  #happens(what: Misdeed, probability: number): boolean {
    if (this.#random() >= probability) return false
    this.done[what] += 1
    return true
  }

  #below(bound: number): number {
    return Math.floor(this.#random() * Math.max(1, bound))
  }

  /** mulberry32, in [0, 1). */
  #random(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
