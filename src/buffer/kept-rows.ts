import type { CutRow } from './cut-rows.ts'
import { PackedRows } from './packed-rows.ts'

/** A settled batch that is still on disk: it goes when room is needed, and is sent again when the core asks for it. */
export interface KeptRow extends Pick<CutRow, 'id' | 'first' | 'bytes'> {
  /** Its number in the database. */
  readonly source: number
}

const ID = 0
const FIRST = 1
const SOURCE = 0
const BYTES = 1

/** Settled batches of all sources, in the order in which they go. */
export class KeptRows {
  readonly #rows = new PackedRows({ wide: 2, narrow: 2 })
  #bytes = 0
  #added = 0

  get length(): number {
    return this.#rows.length
  }

  /** Of all of them on disk. */
  get bytes(): number {
    return this.#bytes
  }

  /** Ever. */
  get added(): number {
    return this.#added
  }

  /** Undefined where there is none. */
  at(row: number): KeptRow | undefined {
    const rows = this.#rows
    if (row < 0 || row >= rows.length) return undefined
    return {
      source: rows.narrow(row, SOURCE),
      id: rows.wide(row, ID),
      first: rows.wide(row, FIRST),
      bytes: rows.narrow(row, BYTES),
    }
  }

  add({ source, id, first, bytes }: KeptRow): void {
    this.#rows.insert(this.length, [id, first], [source, bytes])
    this.#bytes += bytes
    this.#added += 1
  }

  /** Takes the first ones out, until they are so many or have so many bytes. */
  takeFirst(countMax: number, bytesWanted: number): KeptRow[] {
    const taken: KeptRow[] = []
    let bytes = 0
    for (let row = this.at(0); row && taken.length < countMax && bytes < bytesWanted; row = this.at(taken.length)) {
      taken.push(row)
      bytes += row.bytes
    }
    this.#rows.remove(0, taken.length)
    this.#bytes -= bytes
    return taken
  }

  /** Bytes of the first `count`. */
  bytesOfFirst(count: number): number {
    let bytes = 0
    for (let row = 0; row < Math.min(count, this.length); row++) bytes += this.#rows.narrow(row, BYTES)
    return bytes
  }

  /** Those of a source from `sequence` on are kept no longer, but wanted again. */
  release(source: number, sequence: number): void {
    const all = Array.from({ length: this.length }, (_, row) => this.at(row))
    this.clear()
    for (const each of all) if (each && (each.source !== source || each.first < sequence)) this.add(each)
  }

  clear(): void {
    this.#rows.clear()
    this.#bytes = 0
  }
}
