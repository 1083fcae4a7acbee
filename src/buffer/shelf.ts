import { dirname, join } from 'node:path'
import type Database from 'better-sqlite3'
import { assert, HeadraceError } from '../runtime/errors.ts'
import { isBatch } from './block-codec.ts'
import { BlockRows } from './block-rows.ts'
import { BlocksFile } from './blocks-file.ts'
import { BLOCKS_FILE } from './database-files.ts'
import { type Extent, FreePages } from './free-pages.ts'
import { type BufferLimits, hasBlocksFile } from './limits.ts'
import { parsePlace, placeText } from './place.ts'
import { freeOf, PAGE_BYTES } from './schema.ts'
import type { BlockRow } from './store-calls.ts'

/** What SQLite needs of a page for itself, about, bytes. */
const PAGE_OVERHEAD_BYTES = 16

/** Pages that a transaction needs for all that is no block. With so much room left over nobody has to ask the database how much there is, which takes longer than a small row. */
const OTHER_ROWS_PAGES = 1_024

/** A block as it lies there. */
export interface Lying {
  readonly count: number
  readonly timeMs: number
  /** Where it lies in the file of blocks; null in its row. */
  readonly place: string | null
  /** Throws `buffer_corrupt` where what lies there is not what was written, or what the system says. */
  read(): Buffer
}

interface Staged {
  readonly row: { -readonly [key in keyof BlockRow]: BlockRow[key] }
  readonly data: Buffer
  place: string | null
}

/**
 * Where blocks lie: in their rows, or in a file beside the database. SQLite writes all that it is given twice, into its write-ahead log and from there into the database; and
 * a block goes whole through both. What comes in bulk is written once, to pages of the file that no row names, and synced; then come the rows that name them, in the
 * transaction that all else is in. So a power cut leaves pages that nobody names, and they are free:
 *
 *   FREE ──taken, written, synced──► WRITTEN ──the transaction is on disk──► NAMED ──the row is deleted, and that is on disk──► FREE
 *                                       └──it failed──► FREE
 *
 * Pages that a transaction gives back are not used again in it: until it is on disk the rows that name them are there.
 */
export class Shelf {
  readonly #db: Database.Database
  /** Prepared: they are asked several times in each commit, and SQLite would read their text each time. */
  readonly #pageCount: Database.Statement<[], number>
  readonly #freeCount: Database.Statement<[], number>
  readonly #rows: BlockRows
  readonly #file: BlocksFile
  readonly #limits: BufferLimits
  readonly #hasFile: boolean
  /** Of database and file together. */
  readonly #pagesMax: number
  /** Pages of these that are left to the database when the file grows: the rows of all that is in it need some. */
  readonly #pagesForRows: number
  /** So much the database may have whatever the file has: of a quota that was lowered the file may have all. */
  readonly #databasePagesMin: number
  /** Undefined where it is not known, since a transaction failed. */
  #free: FreePages | undefined
  /** Of the database when it was asked last, after the last commit at the latest. */
  #knownPages = Number.POSITIVE_INFINITY
  #staged: Staged[] = []
  #freed: Extent[] = []

  constructor(db: Database.Database, options: { path: string; quotaBytes: number; limits: BufferLimits }) {
    this.#db = db
    this.#pageCount = db.prepare<[], number>('PRAGMA page_count').pluck()
    this.#freeCount = db.prepare<[], number>('PRAGMA freelist_count').pluck()
    this.#limits = options.limits
    this.#rows = new BlockRows(db)
    this.#hasFile = hasBlocksFile(options.quotaBytes, options.limits)
    // All that is said of the file by the rows is looked through before anything is done to it.
    this.#free = this.#freeByRows()
    this.#file = new BlocksFile(join(dirname(options.path), BLOCKS_FILE))
    this.#file.truncate(this.#free.pages)
    const usedBytes = this.usedBytes
    // Of a file that holds more than its quota, since that was lowered, so much stays free as of any other: without it nothing can be cut, nor drain.
    this.#pagesMax = pagesIn(Math.max(options.quotaBytes, usedBytes + freeOf(usedBytes)))
    this.#pagesForRows = pagesIn(freeOf(this.#pagesMax * PAGE_BYTES))
    const isLowered = usedBytes > options.quotaBytes
    this.#databasePagesMin = isLowered ? this.#databaseUsed() + pagesIn(freeOf(usedBytes)) : 0
    this.#boundDatabase()
  }

  get usedBytes(): number {
    return (this.#databaseUsed() + this.#pages().used) * PAGE_BYTES
  }

  find(id: number): Lying | undefined {
    const row = this.#rows.find(id)
    if (!row) return undefined
    const { count, time_ms: timeMs, data, length, crc, place } = row
    const read = () => (place === null ? data : this.#file.read(extentsOf(place), length ?? 0))
    return { count, timeMs, place, read: () => checked(read(), crc, place) }
  }

  /** Their places are free when this transaction is on disk. */
  forget(ids: readonly number[]): void {
    for (const [first, last] of runsOf(ids))
      for (const place of this.#rows.remove(first, last)) if (place !== null) this.#freed.push(...extentsOf(place))
  }

  /** A block that is written at the end of this transaction; its row has no number before. */
  stage(row: Omit<BlockRow, 'id' | 'bytes'>, data: Buffer): BlockRow {
    return this.#stage(row, data, null)
  }

  /** A block whose row becomes another one, behind all others; what it holds stays where it is, if that is in the file. */
  move(id: number, row: Omit<BlockRow, 'id' | 'bytes'>, data: Buffer): BlockRow {
    return this.#stage(row, data, this.#rows.remove(id, id)[0] ?? null)
  }

  /** To be called before a transaction: within one, what it has deleted would pass for free. */
  begin(): void {
    this.#pages()
  }

  /** Brings all that was staged to its place: to be called within the transaction, as the last thing before its end. */
  write(): void {
    this.#toFile()
    for (const { row, data, place } of this.#staged) {
      const { source, first, count, timeMs: time_ms } = row
      const [length, inRow] = place === null ? [null, data] : [data.length, NOTHING]
      row.id = this.#rows.insert({ source, first, count, time_ms, length, crc: checksumOf(data) ?? null, place }, inRow)
    }
  }

  /** The transaction is on disk. */
  committed(): void {
    this.#free?.give(this.#freed)
    this.#freed = []
    this.#staged = []
  }

  /** It is not, or nobody knows. */
  failed(): void {
    this.#free = undefined
    this.#freed = []
    this.#staged = []
  }

  close(): void {
    this.#file.close()
  }

  #stage(row: Omit<BlockRow, 'id' | 'bytes'>, data: Buffer, place: string | null): BlockRow {
    const staged = { row: { ...row, id: 0, bytes: data.length }, data, place }
    this.#staged.push(staged)
    return staged.row
  }

  #toFile(): void {
    if (!this.#hasFile) return
    const { fileBlockBytes, fileCommitBytes } = this.#limits
    const unplaced = this.#staged.filter(({ place }) => place === null)
    if (unplaced.length === 0) return
    const large = unplaced.filter(({ data }) => data.length >= fileBlockBytes)
    const isBulk = large.reduce((sum, { data }) => sum + data.length, 0) >= fileCommitBytes
    const inRows = unplaced.reduce((sum, { data }) => sum + pagesInDatabase(data.length), 0)
    if (!isBulk && inRows + OTHER_ROWS_PAGES < this.#databaseRoomFor(this.#knownPages)) return
    if (inRows > this.#databaseRoom()) this.#trim()
    let databaseRoom = this.#databaseRoom()
    let isWritten = false
    for (const staged of unplaced) {
      const { data } = staged
      const pages = pagesInDatabase(data.length)
      const isWanted = isBulk && data.length >= fileBlockBytes
      const extents = isWanted || pages > databaseRoom ? this.#pages().take(pagesIn(data.length), this.#growthMax()) : undefined
      if (!extents) {
        databaseRoom -= pages
        continue
      }
      this.#file.write(extents, data)
      staged.place = placeText(extents)
      isWritten = true
    }
    if (!isWritten) return
    this.#file.sync()
    this.#boundDatabase()
  }

  #pages(): FreePages {
    if (this.#free) return this.#free
    this.#free = this.#freeByRows()
    this.#trim()
    return this.#free
  }

  /** What is free at the end of the file is given to the database, and to others. */
  #trim(): void {
    const free = this.#pages()
    free.trim()
    this.#file.truncate(free.pages)
    this.#boundDatabase()
  }

  #freeByRows(): FreePages {
    assert(!this.#db.inTransaction, 'what is free is told by rows that are on disk')
    const used: Extent[] = []
    for (const { place } of this.#rows.all()) if (place !== null) used.push(...extentsOf(place))
    const free = FreePages.of(used)
    if (!free) throw new HeadraceError('buffer_corrupt', 'two blocks are said to lie at the same place')
    return free
  }

  /** Pages by which the file may grow. */
  #growthMax(): number {
    return Math.max(0, this.#pagesMax - this.#pages().pages - this.#databasePages() - this.#pagesForRows)
  }

  /** Pages of the database that blocks can fill: without some for their rows nothing could be written to the file either. */
  #databaseRoom(): number {
    return this.#databaseRoomFor(this.#databaseUsed())
  }

  #databaseRoomFor(usedPages: number): number {
    return this.#databasePagesMax() - usedPages - Math.floor(this.#pagesForRows / 2)
  }

  #databasePagesMax(): number {
    return Math.max(this.#pagesMax - this.#pages().pages, this.#databasePagesMin)
  }

  /** SQLITE_FULL by quota leaves the file working; a file system that is full does not even let rows be deleted. */
  #boundDatabase(): void {
    this.#db.pragma(`max_page_count = ${Math.max(1, this.#databasePagesMax())}`)
  }

  #databasePages(): number {
    this.#knownPages = this.#pageCount.get() ?? 0
    return this.#knownPages
  }

  #databaseUsed(): number {
    return this.#databasePages() - (this.#freeCount.get() ?? 0)
  }
}

const NOTHING = Buffer.alloc(0)

/** The checksum of nearly all of it that a batch (Kafka protocol guide, "Record Batch") and a block of ours carry themselves; undefined where it has none. */
function checksumOf(data: Buffer): number | undefined {
  const at = isBatch(data) ? 17 : 0
  return at + 4 <= data.length ? data.readUInt32BE(at) : undefined
}

/** What is settled together was mostly written together: its rows lie in a row, and go with one call. */
function runsOf(ids: readonly number[]): readonly (readonly [first: number, last: number])[] {
  const runs: [number, number][] = []
  for (const id of ids.toSorted((a, b) => a - b)) {
    const run = runs.at(-1)
    if (run && id <= run[1] + 1) run[1] = id
    else runs.push([id, id])
  }
  return runs
}

function extentsOf(place: string): readonly Extent[] {
  const extents = parsePlace(place)
  if (!extents) throw new HeadraceError('buffer_corrupt', `"${place}" is no place of a block`)
  return extents
}

function pagesIn(bytes: number): number {
  return Math.ceil(bytes / PAGE_BYTES)
}

function pagesInDatabase(bytes: number): number {
  return Math.ceil(bytes / (PAGE_BYTES - PAGE_OVERHEAD_BYTES)) + 1
}

/** Throws `buffer_corrupt` where this is not what was written: the rest of a block is held against its checksum by whoever reads it. */
function checked(data: Buffer, crc: number | null, place: string | null): Buffer {
  if (crc !== null && checksumOf(data) !== crc)
    throw new HeadraceError('buffer_corrupt', `something else lies where a block was written (${place ?? 'in its row'})`)
  return data
}
