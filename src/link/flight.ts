import type { CutBatch } from '../buffer/buffer.ts'
import { assert } from '../runtime/errors.ts'

/** A partition leader remembers this many batches of a producer (Kafka: ProducerStateEntry). More unsettled, and a repeat looks like a gap. */
export const BATCHES_IN_FLIGHT_PER_SOURCE_MAX = 5

/** What of one source is in flight; {@link Flight} is the one that keeps the rules, tests hand in others that break one. */
export interface InFlight {
  /** Batches that may be held at once. */
  readonly max: number
  /** Batches held: sent, to be sent again, or accepted before one that is before them. */
  readonly size: number
  /** Batches sent whose outcome is not known. */
  readonly sent: number
  /** A batch came back, and others are still on their way: nothing is sent until those are back too. */
  readonly holds: boolean
  /** Takes a batch that follows the last one. */
  add(batch: CutBatch): void
  /** The batch that is to be sent now, among those held. */
  waiting(): CutBatch | undefined
  markSent(batch: CutBatch): void
  /** The log has it. Gives the number below which all is settled now; undefined where one before it is not. */
  markAccepted(batch: CutBatch): number | undefined
  /** Released, modified or lost: it is sent again. */
  markReturned(batch: CutBatch): void
  /** Takes everything back: the session that carried it is over, and what it still says is not listened to. */
  takeBack(): void
  /** The log has all numbers below `end`: forgets them. False where `end` cuts a batch in two; then nothing is done. */
  dropBelow(end: number): boolean
  clear(): void
  /** Whether this very batch is held and its outcome awaited. */
  awaits(batch: CutBatch): boolean
}

type State = 'waiting' | 'sent' | 'accepted'

interface Entry {
  readonly batch: CutBatch
  state: State
}

/**
 * The batches of one source that were taken from its buffer and are not settled, in sequence order. Each of them is
 *
 *   WAITING ──sent──► SENT ──accepted──► ACCEPTED ──all before it accepted──► gone
 *      ▲               │
 *      └───returned────┘
 *
 * A batch that came back may have let later ones pass: so nothing is sent until none is SENT any more, then all that is WAITING goes again, in order.
 */
export class Flight implements InFlight {
  readonly max = BATCHES_IN_FLIGHT_PER_SOURCE_MAX
  readonly #entries: Entry[] = []
  #sent = 0
  #returned = false

  get size(): number {
    return this.#entries.length
  }

  get sent(): number {
    return this.#sent
  }

  get holds(): boolean {
    return this.#returned && this.#sent > 0
  }

  add(batch: CutBatch): void {
    const last = this.#entries.at(-1)?.batch
    assert(
      last === undefined || last.sequence + last.count === batch.sequence,
      'batches are taken from the buffer without a hole',
    )
    this.#entries.push({ batch, state: 'waiting' })
  }

  waiting(): CutBatch | undefined {
    if (this.holds) return undefined
    return this.#entries.find(entry => entry.state === 'waiting')?.batch
  }

  markSent(batch: CutBatch): void {
    this.#move(batch, 'waiting', 'sent')
    this.#returned = false
    this.#sent += 1
  }

  markAccepted(batch: CutBatch): number | undefined {
    this.#move(batch, 'sent', 'accepted')
    this.#sent -= 1
    let settled: number | undefined
    while (this.#entries[0]?.state === 'accepted') settled = endOf(this.#entries.shift()?.batch)
    return settled
  }

  markReturned(batch: CutBatch): void {
    this.#move(batch, 'sent', 'waiting')
    this.#sent -= 1
    this.#returned = true
  }

  takeBack(): void {
    for (const entry of this.#entries) entry.state = 'waiting'
    this.#sent = 0
    this.#returned = false
  }

  dropBelow(end: number): boolean {
    const kept = this.#entries.findIndex(entry => endOf(entry.batch) > end)
    const first = this.#entries[kept]
    if (first && first.batch.sequence < end) return false
    const dropped = this.#entries.splice(0, kept < 0 ? this.#entries.length : kept)
    this.#sent -= dropped.filter(entry => entry.state === 'sent').length
    return true
  }

  clear(): void {
    this.#entries.length = 0
    this.#sent = 0
    this.#returned = false
  }

  awaits(batch: CutBatch): boolean {
    return this.#entries.some(entry => entry.batch === batch && entry.state === 'sent')
  }

  #move(batch: CutBatch, from: State, to: State): void {
    const entry = this.#entries.find(held => held.batch === batch)
    assert(entry?.state === from, `a batch goes from ${from} to ${to}`)
    entry.state = to
  }
}

function endOf(batch: CutBatch | undefined): number {
  return batch === undefined ? 0 : batch.sequence + batch.count
}
