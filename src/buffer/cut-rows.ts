import { PackedRows } from './packed-rows.ts'

/** A batch that has its numbers. */
export interface CutRow {
  readonly id: number
  readonly first: number
  readonly count: number
  readonly bytes: number
  readonly timeMs: number
}

const ID = 0
const FIRST = 1
const TIME_MS = 2
const COUNT = 0
const BYTES = 1

/** The batches of one source that are on disk and have their numbers, in the order of these: what the core has not got, and behind it what is kept for it. */
export class CutRows {
  readonly #rows = new PackedRows({ wide: 3, narrow: 2 })

  get length(): number {
    return this.#rows.length
  }

  /** Undefined where there is none. */
  at(row: number): CutRow | undefined {
    const rows = this.#rows
    if (row < 0 || row >= rows.length) return undefined
    return {
      id: rows.wide(row, ID),
      first: rows.wide(row, FIRST),
      count: rows.narrow(row, COUNT),
      bytes: rows.narrow(row, BYTES),
      timeMs: rows.wide(row, TIME_MS),
    }
  }

  /** The first one that begins at `sequence` or above; {@link length} where none does. */
  from(sequence: number): number {
    // Mostly one of the last is asked for, behind hundreds that are kept: so from the end on, in steps that double, until one lies below.
    let high = this.length
    let low = high
    for (let step = 1; low > 0; step *= 2) {
      low = Math.max(0, low - step)
      if (this.#rows.wide(low, FIRST) < sequence) break
      high = low
    }
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#rows.wide(middle, FIRST) < sequence) low = middle + 1
      else high = middle
    }
    return low
  }

  add({ id, first, count, bytes, timeMs }: CutRow): void {
    const { length } = this
    const isLast = length === 0 || this.#rows.wide(length - 1, FIRST) <= first
    this.#rows.insert(isLast ? length : this.from(first + 1), [id, first, timeMs], [count, bytes])
  }

  /** The batch of this id, unless it is gone already. */
  remove({ id, first }: Pick<CutRow, 'id' | 'first'>): void {
    // The oldest goes first.
    let row = this.length > 0 && this.#rows.wide(0, FIRST) === first ? 0 : this.from(first)
    while (row < this.length && this.#rows.wide(row, FIRST) === first && this.#rows.wide(row, ID) !== id) row += 1
    if (row < this.length && this.#rows.wide(row, ID) === id) this.#rows.remove(row)
  }

  clear(): void {
    this.#rows.clear()
  }

  slice(from: number, to: number = this.length): CutRow[] {
    const found: CutRow[] = []
    for (let row = Math.max(0, from); row < Math.min(to, this.length); row++) {
      const each = this.at(row)
      if (each) found.push(each)
    }
    return found
  }
}
