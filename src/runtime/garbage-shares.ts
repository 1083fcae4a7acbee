/**
 * So much may lie about beside what lives, in all threads together and at the most, bytes. Most of what V8 counts there are records on their way, which come and go by tens of megabytes: with less than what
 * they come and go by, all of a heap is looked through each time that they come, for nothing. See docs/decisions/0179.
 */
const GARBAGE_BYTES_MAX = 128 * 2 ** 20
/** And no more than this part of the memory that the process may have: what is nothing on a server is a tenth of a small gateway's. */
const MEMORY_SHARE = 1 / 64
/** And so much of what lives, percent: the heap of the store's thread is a small one. */
const PERCENT_MAX = 600
/** Where less would be allowed than V8 allows by itself, it is left to it. */
const PERCENT_MIN = 50

/** Threads of one process that may be busy: the main one, and the store's. */
const THREADS = 2
/** Of each thread: what lives in it, KiB, and whether it is busy. */
const WORDS = 2
/** Behind the threads: what V8 was told last, percent. */
const TOLD = THREADS * WORDS

/**
 * What the threads of a process allow together. V8's flag is for all of them, whoever sets it: where the store's was busy, whose heap is small, the main thread's, which is twice as large, became four times
 * as large with it. So what is allowed follows what lives in all of them.
 */
export class GarbageShares {
  readonly #words: Int32Array
  readonly #maxBytes: number

  /** `memoryBytes`: what the process may have. */
  constructor(memory: SharedArrayBuffer, memoryBytes: number) {
    this.#words = new Int32Array(memory)
    this.#maxBytes = Math.min(GARBAGE_BYTES_MAX, memoryBytes * MEMORY_SHARE)
  }

  /** What each of them is made on. */
  static memory(): SharedArrayBuffer {
    return new SharedArrayBuffer((TOLD + 1) * Int32Array.BYTES_PER_ELEMENT)
  }

  /** What this thread is at. Gives how much a heap may grow, of what lives in it, before all of it is looked through, percent; 0 leaves it to V8; and whether V8 has to be told. */
  say(thread: number, { livingBytes, isBusy }: { livingBytes: number; isBusy: boolean }): { percent: number; isNew: boolean } {
    Atomics.store(this.#words, thread * WORDS, Math.ceil(livingBytes / 1024))
    Atomics.store(this.#words, thread * WORDS + 1, isBusy ? 1 : 0)
    const percent = this.#percent()
    return { percent, isNew: Atomics.exchange(this.#words, TOLD, percent) !== percent }
  }

  #percent(): number {
    let [livingKib, isBusy] = [0, false]
    for (let thread = 0; thread < THREADS; thread++) {
      livingKib += Atomics.load(this.#words, thread * WORDS)
      isBusy ||= Atomics.load(this.#words, thread * WORDS + 1) !== 0
    }
    if (!isBusy) return 0
    const percent = Math.min(PERCENT_MAX, Math.floor((this.#maxBytes / (livingKib * 1024)) * 100))
    return percent < PERCENT_MIN ? 0 : percent
  }
}
