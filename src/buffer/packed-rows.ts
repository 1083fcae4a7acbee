import { assert } from '../runtime/errors.ts'

const CAPACITY_MIN = 4
/** What there is room for grows by a quarter at a time: the rows are many, and what is empty costs as much as what is not. */
const GROWTH_DIVISOR = 4

/**
 * Rows of numbers in two blocks of memory in place of an object for each: a gateway keeps hundreds of thousands, for minutes, and an object of five numbers
 * takes three times what they do and is looked at by each collection. Rows come at the end and mostly go from the front: what went is taken up when
 * there is no room behind.
 */
export class PackedRows {
  readonly #wideColumns: number
  readonly #narrowColumns: number
  #wide = new Float64Array(0)
  #narrow = new Uint32Array(0)
  #capacity = 0
  #from = 0
  #length = 0

  /** `wide`: columns of integers below 2^53; `narrow`: of such below 2^32. */
  constructor(columns: { readonly wide: number; readonly narrow: number }) {
    this.#wideColumns = columns.wide
    this.#narrowColumns = columns.narrow
  }

  get length(): number {
    return this.#length
  }

  wide(row: number, column: number): number {
    return this.#wide[(this.#from + row) * this.#wideColumns + column] ?? Number.NaN
  }

  narrow(row: number, column: number): number {
    return this.#narrow[(this.#from + row) * this.#narrowColumns + column] ?? Number.NaN
  }

  /** Puts a row before the one at `row`, or at the end. */
  insert(row: number, wide: readonly number[], narrow: readonly number[]): void {
    assert(row <= this.#length, 'a row lies behind the one before it')
    if (this.#from + this.#length === this.#capacity) this.#makeRoom()
    this.#length += 1
    this.#move(row, row + 1, this.#length - row - 1)
    // One by one: for so few numbers a call to copy them takes longer.
    const [wideAt, narrowAt] = [(this.#from + row) * this.#wideColumns, (this.#from + row) * this.#narrowColumns]
    for (let column = 0; column < this.#wideColumns; column++) this.#wide[wideAt + column] = wide[column] ?? Number.NaN
    for (let column = 0; column < this.#narrowColumns; column++) this.#narrow[narrowAt + column] = narrow[column] ?? 0
  }

  remove(row: number, count = 1): void {
    assert(row + count <= this.#length, 'what is removed is there')
    if (row === 0) this.#from += count
    else this.#move(row + count, row, this.#length - row - count)
    this.#length -= count
    if (this.#length === 0) this.clear()
  }

  clear(): void {
    this.#wide = new Float64Array(0)
    this.#narrow = new Uint32Array(0)
    this.#capacity = 0
    this.#from = 0
    this.#length = 0
  }

  #move(from: number, to: number, count: number): void {
    if (count === 0) return
    const [target, start, end] = [this.#from + to, this.#from + from, this.#from + from + count]
    this.#wide.copyWithin(target * this.#wideColumns, start * this.#wideColumns, end * this.#wideColumns)
    this.#narrow.copyWithin(target * this.#narrowColumns, start * this.#narrowColumns, end * this.#narrowColumns)
  }

  /** Behind the last row: what went from the front, where that is enough to be worth the copying, and more memory otherwise. */
  #makeRoom(): void {
    const [from, to] = [this.#from, this.#from + this.#length]
    const isEnough = from > 0 && from >= this.#capacity / (2 * GROWTH_DIVISOR)
    const grown = this.#length + Math.max(CAPACITY_MIN, Math.floor(this.#length / GROWTH_DIVISOR))
    const capacity = isEnough ? this.#capacity : grown
    const wide = isEnough ? this.#wide : new Float64Array(capacity * this.#wideColumns)
    const narrow = isEnough ? this.#narrow : new Uint32Array(capacity * this.#narrowColumns)
    wide.set(this.#wide.subarray(from * this.#wideColumns, to * this.#wideColumns))
    narrow.set(this.#narrow.subarray(from * this.#narrowColumns, to * this.#narrowColumns))
    this.#wide = wide
    this.#narrow = narrow
    this.#capacity = capacity
    this.#from = 0
  }
}
