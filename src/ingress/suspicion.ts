import type { EncodedBatch } from '../record/record.ts'

/** When a refused batch goes again, counted from the first refusal, ms: three tries over a minute. */
const TRIES_AT_MS = [0, 15_000, 60_000] as const

interface Suspect {
  readonly batch: EncodedBatch
  readonly crc: number
}

/** A batch whose bytes the log refuses: how often, and when it goes again. It outlives the session that the batch came in. */
export class Suspicion {
  readonly #sequence: number
  readonly #crc: number
  #firstAtMs = 0
  #tries = 0
  #detail = ''
  /** It lies whole in the dead letters; its numbers wait for their placeholder. */
  buried = false

  constructor({ batch, crc }: Suspect) {
    this.#sequence = batch.sequence
    this.#crc = crc
  }

  get tries(): number {
    return this.#tries
  }

  /** What the log said last. */
  get detail(): string {
    return this.#detail
  }

  /** It was tried often enough. */
  get hopeless(): boolean {
    return this.#tries >= TRIES_AT_MS.length
  }

  concerns({ batch, crc }: Suspect): boolean {
    return batch.sequence === this.#sequence && crc === this.#crc
  }

  refused(nowMs: number, detail: string): void {
    if (this.#tries === 0) this.#firstAtMs = nowMs
    this.#tries += 1
    this.#detail = detail
  }

  /** It cannot be given up now: it goes once more, since the log may be right again by then. */
  spare(): void {
    this.#tries = Math.min(this.#tries, TRIES_AT_MS.length - 1)
  }

  /** How long until it may go again, ms. */
  againInMs(nowMs: number): number {
    return this.#firstAtMs + (TRIES_AT_MS[this.#tries] ?? 0) - nowMs
  }
}
