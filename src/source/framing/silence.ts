import type { Timer } from '../../runtime/clock.ts'
import type { Framer, FramerHooks } from './framer.ts'
import type { FrameOptions } from './options.ts'

/** Records that are told apart by a pause between them. A record's time is that of its first byte. */
export class SilenceFramer implements Framer {
  readonly #silenceMs: number
  readonly #options: FrameOptions
  readonly #hooks: FramerHooks
  #parts: Buffer[] = []
  #bytes = 0
  #timeMs = 0
  #over = false
  #timer: Timer | undefined

  constructor(options: FrameOptions, hooks: FramerHooks) {
    this.#options = options
    this.#silenceMs = options.silence ?? 0
    this.#hooks = hooks
  }

  push(chunk: Buffer, receivedMs: number): void {
    if (this.#bytes === 0) this.#timeMs = receivedMs
    const room = this.#options.max_bytes - this.#bytes
    if (chunk.length > room && !this.#over) {
      // Counted when it is, and not at its end: a device that never pauses would be silent here.
      this.#over = true
      this.#hooks.onTrouble('a record was too long')
    }
    if (room > 0) {
      this.#parts.push(Buffer.from(chunk.subarray(0, room)))
      this.#bytes += Math.min(room, chunk.length)
    }
    this.#timer?.cancel()
    this.#timer = this.#hooks.clock.after(this.#silenceMs, () => this.#end(), 'background')
  }

  interrupted(): void {
    this.#timer?.cancel()
    if (this.#bytes > 0 && !this.#over) this.#hooks.onTrouble('a record broke off')
    this.#reset()
  }

  end(): void {
    this.#timer?.cancel()
    this.#end()
  }

  #end(): void {
    if (this.#bytes > 0 && (!this.#over || this.#options.oversize === 'truncate')) {
      const bytes = Buffer.concat(this.#parts)
      this.#hooks.onFrame(bytes, 0, bytes.length, this.#timeMs)
    }
    this.#reset()
  }

  #reset(): void {
    this.#parts = []
    this.#bytes = 0
    this.#over = false
  }
}
