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
import { MIGRATIONS, SCHEMA, SCHEMA_VERSION } from './schema.ts'
import { WrittenBytes } from './written-bytes.ts'

/** Pages of the write-ahead log after which it is brought into the database. */
const CHECKPOINT_PAGES = 1_000
export const PAGE_BYTES = 4_096

/** A source as the database keeps it. */
export interface SourceRow {
  readonly id: number
  readonly name: string
  readonly topic: string
  readonly next: number
  readonly settled: number
  readonly assignment: string | null
  readonly frozen: string | null
  readonly head_gap: string | null
  readonly tail_gap: string | null
}

/** A block as the index knows it; `first` is null while it is uncut. */
export interface BlockRow {
  readonly id: number
  readonly source: number
  readonly first: number | null
  readonly count: number
  readonly timeMs: number
  readonly bytes: number
}

/** One step of a commit; all steps of one are on disk together, or none. */
export type Step =
  /** Records that were taken; `cut` makes them a batch at once, `likely` encodes them with numbers that count only when a merge says so. */
  | {
      readonly kind: 'insert'
      readonly source: number
      /** Moved to where the commit is made; where that fails, it is given back here. */
      plain: Uint8Array
      readonly count: number
      readonly baseTimeMs: number
      readonly lastTimeMs: number
      readonly cut?: BatchIdentity
      readonly likely?: BatchIdentity
      readonly gap?: Gap
      /** The largest batch that the log takes, where that is known: several are cut of what is larger. */
      readonly bytesMax?: number
      /** Where the source goes on reading behind these records. */
      readonly bookmark?: string
    }
  /** Uncut blocks become one batch. Records that cannot be read any more are said in its gap. */
  | {
      readonly kind: 'merge'
      readonly source: number
      readonly ids: readonly number[]
      readonly cut: BatchIdentity
      readonly gap?: Gap
      readonly bytesMax?: number
    }
  | {
      readonly kind: 'placeholder'
      readonly source: number
      readonly cut: BatchIdentity
      readonly count: number
      readonly timeMs: number
      readonly gap: Gap
      /** The damaged batch whose place it takes. */
      readonly replaces?: number
    }
  /** Settled batches that are not kept any longer. */
  | { readonly kind: 'forget'; readonly ids: readonly number[] }
  /** Uncut blocks that give way; what they held is added to the source's head gap. */
  | {
      readonly kind: 'drop'
      readonly source: number
      readonly ids: readonly number[]
      readonly reason: GapReason
      readonly gap?: Gap
    }
  /** `keepHeadGap`: a drop in this commit has just written it. */
  | { readonly kind: 'source'; readonly row: SourceRow; readonly keepHeadGap?: boolean }

export interface Commit {
  readonly steps: readonly Step[]
  /** By which times are settled in what this commit cuts; they stay as they are where it is missing. */
  readonly clock?: ClockAtCut
  /** The marks file, written and synced before the database is. */
  readonly marks?: string
}

/** A batch that was cut, and its row. */
export interface StoredBatch {
  readonly row: BlockRow
  readonly batch: EncodedBatch
}

/** What became of one step, in the same place. */
export type StepResult =
  | { readonly kind: 'inserted'; readonly row: BlockRow }
  /** `damaged`: so many records could not be read any more. */
  | { readonly kind: 'cut'; readonly batches: readonly StoredBatch[]; readonly damaged?: number }
  | { readonly kind: 'dropped'; readonly gap: Gap }
  | { readonly kind: 'done' }

export interface CommitResult {
  readonly results: readonly StepResult[]
  readonly disk: StoreDisk
}

export interface StoreDisk {
  readonly usedBytes: number
  readonly writtenBytes: number
}

/** A source's uncut blocks, counted: how many there are depends on the outage, so that they are not all brought into memory. */
export interface UncutTotal {
  readonly source: number
  readonly blocks: number
  readonly records: number
  readonly bytes: number
  readonly oldestMs: number
}

export interface Opened {
  readonly sources: readonly SourceRow[]
  readonly cut: readonly BlockRow[]
  readonly uncut: readonly UncutTotal[]
  readonly bookmarks: readonly { readonly source: number; readonly token: string }[]
  readonly disk: StoreDisk
}

export type ReadBatch = { readonly id: number; readonly bytes: Buffer } | { readonly id: number; readonly damaged: string }

/** What the buffer asks of its executor: a thread of its own, or the same thread. One call at a time. */
export interface StoreCalls {
  commit(commit: Commit): CommitResult
  read(ids: readonly number[]): ReadBatch[]
  /** Uncut blocks behind `after`, in order of writing. */
  scan(after: number, limit: number): BlockRow[]
  /** The whole index, as at the opening. */
  opened(): Opened
  close(): void
}

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
    this.#db.pragma(`max_page_count = ${Math.ceil(options.quotaBytes / PAGE_BYTES)}`)
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
    const pages = this.#db.pragma('page_count', { simple: true }) as number
    const free = this.#db.pragma('freelist_count', { simple: true }) as number
    return { usedBytes: (pages - free) * PAGE_BYTES, writtenBytes: this.#written.total() }
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
