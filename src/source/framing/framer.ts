import type { Clock } from '../../runtime/clock.ts'

/** Cuts a stream of bytes into records. What is handed to `onFrame` is valid during the call only. */
export interface Framer {
  push(chunk: Buffer, receivedMs: number): void
  /** The stream broke off: what is half read is forgotten, and the next record begins after the next border. */
  interrupted(): void
  /** The stream has come to its proper end, where that ends a record too. */
  end?(receivedMs: number): void
}

export interface FramerHooks {
  readonly onFrame: (bytes: Buffer, from: number, to: number, timeMs: number) => void
  /** Counts bytes that made no record. */
  readonly onTrouble: (what: string) => void
  readonly clock: Clock
}
