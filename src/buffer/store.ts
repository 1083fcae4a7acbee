import Database from 'better-sqlite3'
import { checkBatchCrc, readBatchHeader } from '../record/batch-header.ts'
import { type BatchIdentity, baseSequenceOf } from '../record/batch-writer.ts'
import { joinGaps, parseGap } from '../record/gap.ts'
import { type EncodedBatch, type Gap, type GapReason, HEADER } from '../record/record.ts'
import { HeadraceError, messageOf } from '../runtime/errors.ts'
import { BatchCutter } from './batch-cutter.ts'
import { type BlockVisitor, isBatch, sealBlock, visitBlock, visitPlain } from './block-codec.ts'
import { writeDurably } from './durable-file.ts'
import { type ClockAtCut, timeMax } from './event-time.ts'
import { freeOf, MIGRATIONS, PAGE_BYTES, SCHEMA, SCHEMA_VERSION } from './schema.ts'
import type {
  BlockRow,
  Commit,
  CommitResult,
  Opened,
  ReadBatch,
  SourceRow,
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
  readonly #cutter = new BatchCutter()
  readonly #sql: ReturnType<typeof statements>
  readonly #written = new WrittenBytes()

  constructor(options: { path: string; marksPath: string; quotaBytes: number }) {
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
    const found = this.#db.pragma('quick_check(1)', { simple: true })
    if (found !== 'ok') {
      this.#db.close()
      throw new HeadraceError('buffer_corrupt', `${options.path} is damaged: ${found}`)
    }
    // SQLITE_FULL by quota leaves the file working; a file system that is full does not even let rows be deleted.
    this.#db.pragma(`max_page_count = ${this.#pagesMax(options.quotaBytes)}`)
    this.#sql = statements(this.#db)
  }

  /** Everything but the data: what the index in memory is made from. */
  opened(): Opened {
    const { sources, cut, uncut, bookmarks } = this.#sql
    return { sources: sources.all(), cut: cut.all(), uncut: uncut.all(), bookmarks: bookmarks.all(), disk: this.#disk() }
  }

  commit({ steps, marks, clock }: Commit): CommitResult {
    this.#cutter.clock = clock
    if (marks !== undefined) writeDurably(this.#marksPath, marks)
    if (steps.length === 0) return { results: [], disk: this.#disk() }
    const results: StepResult[] = []
    this.#db.transaction(() => {
      for (const step of steps) results.push(this.#apply(step))
    })()
    return { results, disk: this.#disk() }
  }

  read(ids: readonly number[]): ReadBatch[] {
    return ids.map(id => {
      try {
        const row = this.#sql.data.get(id)
        if (!row) return { id, damaged: 'it is not there' }
        if (isBatch(row.data)) checkBatchCrc(row.data, readBatchHeader(row.data))
        else visitBlock(row.data, () => {})
        return { id, bytes: row.data }
      } catch (error) {
        // A disk that cannot be read now says nothing about what is on it.
        if (error instanceof Database.SqliteError && !error.code.startsWith('SQLITE_CORRUPT')) throw error
        return { id, damaged: messageOf(error) }
      }
    })
  }

  scan(after: number, limit: number): BlockRow[] {
    return this.#sql.scan.all(after, limit)
  }

  close(): void {
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
        if (step.replaces !== undefined) this.#sql.forget.run(step.replaces)
        return this.#cut(step.source, [batch], step.timeMs)
      }
      case 'forget':
        for (const id of step.ids) this.#sql.forget.run(id)
        return { kind: 'done' }
      case 'drop':
        return this.#drop(step)
      case 'source':
        if (step.keepHeadGap) this.#sql.sourceButHeadGap.run(step.row)
        else this.#sql.source.run(step.row)
        return { kind: 'done' }
    }
  }

  #insert(step: Extract<Step, { kind: 'insert' }>): StepResult {
    const plain = Buffer.from(step.plain.buffer, step.plain.byteOffset, step.plain.byteLength)
    if (step.bookmark !== undefined) this.#sql.bookmark.run(step.source, step.bookmark)
    const identity = step.cut ?? step.likely
    if (!identity) {
      const data = sealBlock(plain, step.count, step.baseTimeMs)
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
    const row = this.#sql.data.get(id)
    if (!row || !isBatch(row.data) || !isBatchOf(row, step.cut, this.#cutter.clock)) return undefined
    if (row.data.length > (step.bytesMax ?? Number.POSITIVE_INFINITY)) return undefined
    // Written anew, and not changed in place: that would take as much room again before the old row gives its own back.
    this.#sql.forget.run(id)
    return this.#cut(step.source, [{ sequence: step.cut.sequence, count: row.count, bytes: row.data }], row.time_ms)
  }

  #merge(step: Extract<Step, { kind: 'merge' }>): StepResult {
    const adopted = this.#adopt(step)
    if (adopted) return adopted
    let gap = step.gap
    let damaged = 0
    let timeMs = 0
    const readable: Buffer[] = []
    for (const id of step.ids) {
      const row = this.#sql.data.get(id)
      if (!row) throw new HeadraceError('internal', `block ${id} is not there`)
      try {
        // Read through before anything is written: half a block must not get numbers.
        visitBlock(row.data, () => {})
        readable.push(row.data)
      } catch {
        const at = new Date(row.time_ms).toISOString()
        gap = joinGaps(gap, { records: row.count, from: at, to: at, reason: 'buffer_lost' })
        damaged += row.count
      }
      timeMs = row.time_ms
      this.#sql.forget.run(id)
    }
    let batches: EncodedBatch[]
    if (readable.length === 0) {
      const lost = gap ?? { records: 0, from: '', to: '', reason: 'buffer_lost' as const }
      batches = [this.#cutter.placeholder(step.cut, { count: 1, timeMs, gap: lost })]
    } else {
      const records = (visit: BlockVisitor) => {
        for (const data of readable) visitBlock(data, visit)
      }
      batches = this.#cutter.cut(records, { identity: step.cut, gap, bytesMax: step.bytesMax })
    }
    const result = this.#cut(step.source, batches, timeMs)
    return damaged > 0 ? { ...result, damaged } : result
  }

  #drop(step: Extract<Step, { kind: 'drop' }>): StepResult {
    let gap = step.gap
    for (const id of step.ids) {
      const row = this.#sql.data.get(id)
      if (!row) continue
      gap = joinGaps(gap, this.#lossOf(row, step.reason))
      this.#sql.forget.run(id)
    }
    if (!gap) return { kind: 'done' }
    this.#sql.headGap.run(JSON.stringify(gap), step.source)
    return { kind: 'dropped', gap }
  }

  /** What is lost with a block: its records, and the gaps that they were to declare. */
  #lossOf(row: { data: Buffer; count: number; time_ms: number }, reason: GapReason): Gap {
    let declared: Gap | undefined
    let fromMs = row.time_ms
    let toMs = row.time_ms
    try {
      visitBlock(row.data, (timeMs, _bytes, _from, _to, headers) => {
        fromMs = Math.min(fromMs, timeMs)
        toMs = Math.max(toMs, timeMs)
        for (const { key, value } of headers) if (key === HEADER.gap) declared = joinGaps(declared, parseGap(value))
      })
    } catch {
      // Damaged as well as dropped: its count is known from the row.
    }
    const own = { records: row.count, from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString(), reason }
    return joinGaps(declared, own) ?? own
  }

  #cut(source: number, batches: readonly EncodedBatch[], timeMs: number): Extract<StepResult, { kind: 'cut' }> {
    const stored = batches.map(batch => ({ row: this.#row(source, batch.sequence, batch.count, timeMs, batch.bytes), batch }))
    return { kind: 'cut', batches: stored }
  }

  #row(source: number, first: number | null, count: number, timeMs: number, data: Buffer): BlockRow {
    const { lastInsertRowid } = this.#sql.insert.run(source, first, count, timeMs, data)
    return { id: Number(lastInsertRowid), source, first, count, timeMs, bytes: data.length }
  }

  #disk(): StoreDisk {
    return { usedBytes: this.#usedBytes(), writtenBytes: this.#written.total() }
  }

  #usedBytes(): number {
    const pages = this.#db.pragma('page_count', { simple: true }) as number
    const free = this.#db.pragma('freelist_count', { simple: true }) as number
    return (pages - free) * PAGE_BYTES
  }

  /** Of a file that holds more than its quota, since that was lowered, so much stays free as of any other: without it nothing can be cut, nor drain. */
  #pagesMax(quotaBytes: number): number {
    const usedBytes = this.#usedBytes()
    return Math.ceil(Math.max(quotaBytes, usedBytes + freeOf(usedBytes)) / PAGE_BYTES)
  }
}

/** Whether a row's data is, undamaged, the very batch that these numbers make of it. */
function isBatchOf({ data, count }: { data: Buffer; count: number }, cut: BatchIdentity, clock: ClockAtCut | undefined): boolean {
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
    sources: db.prepare<[], SourceRow>('SELECT * FROM source ORDER BY id'),
    cut: db.prepare<[], BlockRow>(
      'SELECT id, source, first, count, time_ms AS timeMs, length(data) AS bytes FROM block WHERE first IS NOT NULL ORDER BY id',
    ),
    uncut: db.prepare<[], UncutTotal>(
      `SELECT source, count(*) AS blocks, sum(count) AS records, sum(length(data)) AS bytes, min(time_ms) AS oldestMs
       FROM block WHERE first IS NULL GROUP BY source`,
    ),
    scan: db.prepare<[number, number], BlockRow>(
      'SELECT id, source, first, count, time_ms AS timeMs, length(data) AS bytes FROM block WHERE id > ? AND first IS NULL ORDER BY id LIMIT ?',
    ),
    data: db.prepare<[number], { data: Buffer; count: number; time_ms: number }>(
      'SELECT data, count, time_ms FROM block WHERE id = ?',
    ),
    insert: db.prepare('INSERT INTO block (source, first, count, time_ms, data) VALUES (?, ?, ?, ?, ?)'),
    forget: db.prepare('DELETE FROM block WHERE id = ?'),
    bookmarks: db.prepare<[], { source: number; token: string }>('SELECT source, token FROM bookmark'),
    bookmark: db.prepare('INSERT INTO bookmark VALUES (?, ?) ON CONFLICT (source) DO UPDATE SET token = excluded.token'),
    headGap: db.prepare('UPDATE source SET head_gap = ? WHERE id = ?'),
    source: db.prepare(
      `INSERT INTO source VALUES (@id, @name, @topic, @next, @settled, @assignment, @frozen, @head_gap, @tail_gap)
       ON CONFLICT (id) DO UPDATE SET topic = @topic, next = @next, settled = @settled, assignment = @assignment, frozen = @frozen,
         head_gap = @head_gap, tail_gap = @tail_gap`,
    ),
    sourceButHeadGap: db.prepare(
      `INSERT INTO source VALUES (@id, @name, @topic, @next, @settled, @assignment, @frozen, @head_gap, @tail_gap)
       ON CONFLICT (id) DO UPDATE SET topic = @topic, next = @next, settled = @settled, assignment = @assignment, frozen = @frozen,
         tail_gap = @tail_gap`,
    ),
  }
}
