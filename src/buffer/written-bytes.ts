import { readFileSync } from 'node:fs'

/** Looked at no more often, ms. */
const LOOK_EVERY_MS = 1_000

/**
 * Bytes that this thread has made the kernel bring to storage, from `/proc/thread-self/io`: pages of the database, of its write-ahead log and of the
 * marks file alike, as they wear a flash card. 0 where the system does not tell.
 */
export class WrittenBytes {
  readonly #before = read()
  #total = 0
  #lookedMs = Number.NEGATIVE_INFINITY

  total(): number {
    const now = performance.now()
    if (now - this.#lookedMs >= LOOK_EVERY_MS) {
      this.#lookedMs = now
      this.#total = Math.max(0, read() - this.#before)
    }
    return this.#total
  }
}

function read(): number {
  try {
    return Number(/^write_bytes: (\d+)$/m.exec(readFileSync('/proc/thread-self/io', 'latin1'))?.[1] ?? 0)
  } catch {
    return 0
  }
}
