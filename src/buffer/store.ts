import Database from 'better-sqlite3'
import { checkBatchCrc, readBatchHeader } from '../record/batch-header.ts'
import { type BatchIdentity, baseSequenceOf } from '../record/batch-writer.ts'
import { gapAt, joinGaps, parseGap } from '../record/gap.ts'
import { type EncodedBatch, type Gap, type GapReason, HEADER } from '../record/record.ts'
import { ZstdPacker } from '../record/zstd-packer.ts'
import { HeadraceError, messageOf } from '../runtime/errors.ts'
import { BatchCutter } from './batch-cutter.ts'
import { type BlockVisitor, isBatch, type Records, recordsOf, sealBlock, visitBlock, visitPlain } from './block-codec.ts'
import { writeDurably } from './durable-file.ts'
import { type ClockAtCut, timeMax } from './event-time.ts'
import type { BufferLimits } from './limits.ts'
import { MIGRATIONS, SCHEMA, SCHEMA_VERSION } from './schema.ts'
import { type Lying, Shelf } from './shelf.ts'
import { SourceRows } from './source-rows.ts'
import type {
  BlockRow,
  Commit,
  CommitResult,
  Opened,
  ReadBatch,
  Step,
  StepResult,
  StoreCalls,
  StoreDisk,
  UncutTotal,
} from './store-calls.ts'
import { WrittenBytes } from './written-bytes.ts'

/** Pages of the write-ahead log after which it is brought into the database. */
const CHECKPOINT_PAGES = 1_000
/**
 * Pages that are kept in memory, KiB: better-sqlite3 is compiled with 16 MiB. What is written is seldom read again, and then once, in the order in which it
 * was written; the page cache of the system has it anyway.
 */
const CACHE_KIB = 1_024

/** The database file and all that touches it; has no mind of its own. */
export class Store implements StoreCalls {
  readonly #db: Database.Database
  readonly #marksPath: string
  readonly #packer = new ZstdPacker()
  readonly #cutter = new BatchCutter(this.#packer)
  readonly #sql: ReturnType<typeof statements>
  readonly #sources: SourceRows
  readonly #shelf: Shelf
  readonly #written = new WrittenBytes()

  constructor(options: { path: string; marksPath: string; quotaBytes: number; limits: BufferLimits }) {
    this.#marksPath = options.marksPath
    this.#db = new Database(options.path)
    this.#db.pragma('journal_mode = WAL')
    // better-sqlite3 is compiled with NORMAL for WAL files, and a file does not remember: what was acknowledged could go with the power.
    this.#db.pragma('synchronous = FULL')
    this.#db.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`)
    this.#db.pragma(`cache_size = -${CACHE_KIB}`)
    const version = this.#db.pragma('user_version', { simple: true }) as number
    if (version > SCHEMA_VERSION) {
      this.#db.close()
      throw new HeadraceError(
        'config_invalid',
        `${options.path} was written by a newer version (schema ${version}, this one knows ${SCHEMA_VERSION})`,
        {
          advice: 'Start the newer version again: what it has buffered is safe there.',
        },
      )
    }
    if (version < SCHEMA_VERSION) {
      this.#db.transaction(() => {
        if (version === 0) this.#db.exec(SCHEMA)
        else for (let from = version; from < SCHEMA_VERSION; from++) this.#db.exec(MIGRATIONS[from] ?? '')
        this.#db.pragma(`user_version = ${SCHEMA_VERSION}`)
      })()
    }
    try {
      const found = this.#db.pragma('quick_check(1)', { simple: true })
      if (found !== 'ok') throw new HeadraceError('buffer_corrupt', `${options.path} is damaged: ${found}`)
      this.#sql = statements(this.#db)
      // All rows are looked at here, where a database that is damaged can still be moved aside: those of blocks by the shelf.
      this.#sources = new SourceRows(this.#db)
      this.#sources.all()
      this.#sources.bookmarks()
      this.#shelf = new Shelf(this.#db, options)
    } catch (error) {
      this.#db.close()
      throw error
    }
  }

  /** Everything but the data: what the index in memory is made from. */
  opened(): Opened {
    const { cut, uncut } = this.#sql
    const [sources, bookmarks] = [this.#sources.all(), this.#sources.bookmarks()]
    return { sources, cut: cut.all(), uncut: uncut.all(), bookmarks, disk: this.#disk() }
  }

  commit({ steps, marks, clock }: Commit): CommitResult {
    this.#cutter.clock = clock
    if (marks !== undefined) writeDurably(this.#marksPath, marks)
    if (steps.length === 0) return { results: [], disk: this.#disk() }
    const results: StepResult[] = []
    this.#shelf.begin()
    try {
      this.#db.transaction(() => {
        for (const step of steps) results.push(this.#apply(step))
        this.#shelf.write()
      })()
    } catch (error) {
      this.#shelf.failed()
      throw error
    }
    this.#shelf.committed()
    return { results, disk: this.#disk() }
  }

  read(ids: readonly number[]): ReadBatch[] {
    return ids.map(id => {
      try {
        const data = this.#shelf.find(id)?.read()
        if (!data) return { id, damaged: 'it is not there' }
        if (isBatch(data)) checkBatchCrc(data, readBatchHeader(data))
        else visitBlock(data, () => {})
        return { id, bytes: data }
      } catch (error) {
        if (isUnreadable(error)) throw error
        return { id, damaged: messageOf(error) }
      }
    })
  }

  scan(after: number, limit: number): BlockRow[] {
    return this.#sql.scan.all(after, limit)
  }

  close(): void {
    this.#shelf.close()
    this.#db.close()
  }

  #apply(step: Step): StepResult {
    switch (step.kind) {
      case 'insert':
        return this.#insert(step)
      case 'merge':
        return this.#merge(step)
      case 'placeholder': {
        const batch = this.#cutter.placeholder(step.cut, step)
        if (step.replaces !== undefined) this.#shelf.forget([step.replaces])
        return this.#cut(step.source, [batch], step.timeMs)
      }
      case 'forget':
        this.#shelf.forget(step.ids)
        return { kind: 'done' }
      case 'drop':
        return this.#drop(step)
      case 'source':
        if (step.keepHeadGap) this.#sources.writeButHeadGap(step.row)
        else this.#sources.write(step.row)
        return { kind: 'done' }
    }
  }

  #insert(step: Extract<Step, { kind: 'insert' }>): StepResult {
    const plain = Buffer.from(step.plain.buffer, step.plain.byteOffset, step.plain.byteLength)
    if (step.bookmark !== undefined) this.#sources.writeBookmark(step.source, step.bookmark)
    const identity = step.cut ?? step.likely
    if (!identity) {
      const data = sealBlock(plain, step.count, step.baseTimeMs, this.#packer)
      return { kind: 'inserted', row: this.#row(step.source, null, step.count, step.lastTimeMs, data) }
    }
    const records = (visit: BlockVisitor) => visitPlain(plain, step.baseTimeMs, visit)
    if (step.cut) {
      const { cut, gap, bytesMax } = step
      return this.#cut(step.source, this.#cutter.cut(records, { identity: cut, gap, bytesMax }), step.lastTimeMs)
    }
    const data = this.#cutter.cut(records, { identity, gap: step.gap, bytesMax: undefined })[0]?.bytes ?? plain
    return { kind: 'inserted', row: this.#row(step.source, null, step.count, step.lastTimeMs, data) }
  }

  /** A block that was encoded with the very numbers that it gets now is a batch as it is. Undefined where it is not one, or damaged. */
  #adopt(step: Extract<Step, { kind: 'merge' }>): StepResult | undefined {
    const [id] = step.ids
    if (id === undefined || step.ids.length > 1 || step.gap) return undefined
    const block = this.#shelf.find(id)
    const data = block && unlessDamaged(() => block.read())
    if (!data || !isBatch(data) || !isBatchOf(data, block.count, step.cut, this.#cutter.clock)) return undefined
    if (data.length > (step.bytesMax ?? Number.POSITIVE_INFINITY)) return undefined
    const { source, cut } = step
    const { count, timeMs } = block
    // Another row, and not this one changed: rows lie in the order in which they were cut.
    const row = this.#shelf.move(id, { source, first: cut.sequence, count, timeMs }, data)
    return { kind: 'cut', batches: [{ row, batch: { sequence: cut.sequence, count, bytes: data } }] }
  }

  #merge(step: Extract<Step, { kind: 'merge' }>): StepResult {
    const adopted = this.#adopt(step)
    if (adopted) return adopted
    let gap = step.gap
    let damaged = 0
    let timeMs = 0
    const whole: Records[] = []
    for (const id of step.ids) {
      const block = this.#shelf.find(id)
      if (!block) throw new HeadraceError('internal', `block ${id} is not there`)
      const records = readable(block)
      if (records) whole.push(records)
      else {
        const at = new Date(block.timeMs).toISOString()
        gap = joinGaps(gap, { records: block.count, from: at, to: at, reason: 'buffer_lost' })
        damaged += block.count
      }
      timeMs = block.timeMs
    }
    this.#shelf.forget(step.ids)
    let batches: EncodedBatch[]
    if (whole.length === 0) {
      const lost = gap ?? { records: 0, from: '', to: '', reason: 'buffer_lost' as const }
      batches = [this.#cutter.placeholder(step.cut, { count: 1, timeMs, gap: lost })]
    } else {
      const records = (visit: BlockVisitor) => {
        for (const records of whole) records(visit)
      }
      batches = this.#cutter.cut(records, { identity: step.cut, gap, bytesMax: step.bytesMax })
    }
    const result = this.#cut(step.source, batches, timeMs)
    return damaged > 0 ? { ...result, damaged } : result
  }

  #drop(step: Extract<Step, { kind: 'drop' }>): StepResult {
    let gap = step.gap
    for (const id of step.ids) {
      const block = this.#shelf.find(id)
      if (!block) continue
      gap = joinGaps(gap, this.#lossOf(block, step.reason))
    }
    this.#shelf.forget(step.ids)
    if (!gap) return { kind: 'done' }
    this.#sources.writeHeadGap(step.source, JSON.stringify(gap))
    return { kind: 'dropped', gap }
  }

  /** What is lost with a block: its records, and the gaps that they were to declare. */
  #lossOf(block: Lying, reason: GapReason): Gap {
    let declared: Gap | undefined
    let fromMs = block.timeMs
    let toMs = block.timeMs
    try {
      visitBlock(block.read(), (timeMs, _bytes, _from, _to, headers) => {
        fromMs = Math.min(fromMs, timeMs)
        toMs = Math.max(toMs, timeMs)
        for (const { key, value } of headers) if (key === HEADER.gap) declared = joinGaps(declared, parseGap(value))
      })
    } catch (error) {
      if (isUnreadable(error)) throw error
      // Damaged as well as dropped: its count is known from the row.
    }
    const own = gapAt(block.count, fromMs, toMs, reason)
    return joinGaps(declared, own) ?? own
  }

  #cut(source: number, batches: readonly EncodedBatch[], timeMs: number): Extract<StepResult, { kind: 'cut' }> {
    const stored = batches.map(batch => ({ row: this.#row(source, batch.sequence, batch.count, timeMs, batch.bytes), batch }))
    return { kind: 'cut', batches: stored }
  }

  #row(source: number, first: number | null, count: number, timeMs: number, data: Buffer): BlockRow {
    return this.#shelf.stage({ source, first, count, timeMs }, data)
  }

  #disk(): StoreDisk {
    return { usedBytes: this.#shelf.usedBytes, writtenBytes: this.#written.total() }
  }
}

/** What a block holds, gone through before anything is made of it: half of one must not get numbers. Undefined where it is damaged. */
function readable(block: Lying): Records | undefined {
  return unlessDamaged(() => {
    const records = recordsOf(block.read())
    records(() => {})
    return records
  })
}

function unlessDamaged<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (isUnreadable(error)) throw error
    return undefined
  }
}

/** Whether the disk cannot be read now, which says nothing about what is on it. */
function isUnreadable(error: unknown): boolean {
  if (error instanceof Database.SqliteError) return !error.code.startsWith('SQLITE_CORRUPT')
  return error instanceof Error && 'syscall' in error
}

/** Whether a row's data is, undamaged, the very batch that these numbers make of it. */
function isBatchOf(data: Buffer, count: number, cut: BatchIdentity, clock: ClockAtCut | undefined): boolean {
  try {
    const header = readBatchHeader(data)
    checkBatchCrc(data, header)
    const isWriter = header.producerId === cut.producerId && header.producerEpoch === cut.epoch
    // The clock was set back since: what lies ahead of it now is settled once more.
    if (clock && header.maxTimestampMs > timeMax(clock)) return false
    return isWriter && header.baseSequence === baseSequenceOf(cut) && header.count === count
  } catch {
    return false
  }
}

function statements(db: Database.Database) {
  return {
    cut: db.prepare<[], BlockRow>(
      'SELECT id, source, first, count, time_ms AS timeMs, coalesce(length, length(data)) AS bytes FROM block WHERE first IS NOT NULL ORDER BY id',
    ),
    uncut: db.prepare<[], UncutTotal>(
      `SELECT source, count(*) AS blocks, sum(count) AS records, sum(coalesce(length, length(data))) AS bytes, min(time_ms) AS oldestMs
       FROM block WHERE first IS NULL GROUP BY source`,
    ),
    scan: db.prepare<[number, number], BlockRow>(
      'SELECT id, source, first, count, time_ms AS timeMs, coalesce(length, length(data)) AS bytes FROM block WHERE id > ? AND first IS NULL ORDER BY id LIMIT ?',
    ),
  }
}
