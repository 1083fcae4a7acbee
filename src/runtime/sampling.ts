import { createHash } from 'node:crypto'

/**
 * Which records are followed: one in `every` of each source, by its number alone. So gateway, core and readers choose the same ones, and name
 * trace and spans alike, without a word about it in the record.
 */
export class Sampling {
  readonly #every: number
  readonly #offsets = new Map<string, number>()

  /** `rate` in (0, 1]. */
  constructor(rate: number) {
    this.#every = Math.max(1, Math.round(1 / rate))
  }

  /** Whether there is one among `[from, to)` of a source (`<gateway>/<source>`). */
  has(source: string, from: number, to: number): boolean {
    return this.#first(source, from) < to
  }

  /** Those among `[from, to)`, at most so many. */
  within(source: string, from: number, to: number, most: number): number[] {
    const found: number[] = []
    for (let at = this.#first(source, from); at < to && found.length < most; at += this.#every) found.push(at)
    return found
  }

  #first(source: string, from: number): number {
    let offset = this.#offsets.get(source)
    if (offset === undefined) {
      offset = createHash('sha256').update(source).digest().readUInt32BE(0) % this.#every
      this.#offsets.set(source, offset)
    }
    return from + ((((offset - from) % this.#every) + this.#every) % this.#every)
  }
}

/** 16 bytes, hex (W3C Trace Context, trace-id). */
export function traceIdOf(source: string, sequence: number): string {
  return createHash('sha256').update(`${source}/${sequence}`).digest('hex').slice(0, 32)
}

/** 8 bytes, hex; the same for a span of that name wherever it is made. */
export function spanIdOf(traceId: string, name: string): string {
  return createHash('sha256').update(`${traceId} ${name}`).digest('hex').slice(0, 16)
}
