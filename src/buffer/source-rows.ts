import type Database from 'better-sqlite3'
import { checkRow, rowSum } from './row-sum.ts'
import type { SourceRow } from './store-calls.ts'

export interface Bookmark {
  readonly source: number
  readonly token: string
}

/** What the database keeps of each source, beside its blocks. Throws `buffer_corrupt` where a row is not what was written. */
export class SourceRows {
  readonly #sql: ReturnType<typeof statements>

  constructor(db: Database.Database) {
    this.#sql = statements(db)
  }

  all(): SourceRow[] {
    return this.#sql.sources.all().map(({ sum, ...row }) => checked(row, sum))
  }

  bookmarks(): Bookmark[] {
    return this.#sql.bookmarks.all().map(({ sum, source, token }) => {
      checkRow([source, token], sum, `the bookmark of source ${source}`)
      return { source, token }
    })
  }

  write(row: SourceRow): void {
    this.#sql.write.run({ ...row, sum: rowSum(valuesOf(row)) })
  }

  /** A drop in the same commit has just written the head gap. */
  writeButHeadGap(row: SourceRow): void {
    this.write({ ...row, head_gap: this.#find(row.id)?.head_gap ?? null })
  }

  writeHeadGap(source: number, gap: string): void {
    const row = this.#find(source)
    if (row) this.write({ ...row, head_gap: gap })
  }

  writeBookmark(source: number, token: string): void {
    this.#sql.bookmark.run(source, token, rowSum([source, token]))
  }

  #find(id: number): SourceRow | undefined {
    const found = this.#sql.source.get(id)
    if (!found) return undefined
    const { sum, ...row } = found
    return checked(row, sum)
  }
}

function checked(row: SourceRow, sum: number | null): SourceRow {
  checkRow(valuesOf(row), sum, `the row of source ${row.name}`)
  return row
}

function valuesOf({
  id,
  name,
  topic,
  next,
  settled,
  assignment,
  frozen,
  head_gap,
  tail_gap,
}: SourceRow): (string | number | null)[] {
  return [id, name, topic, next, settled, assignment, frozen, head_gap, tail_gap]
}

type Summed<Row> = Row & { readonly sum: number | null }

function statements(db: Database.Database) {
  const columns = 'id, name, topic, next, settled, assignment, frozen, head_gap, tail_gap, sum'
  return {
    sources: db.prepare<[], Summed<SourceRow>>(`SELECT ${columns} FROM source ORDER BY id`),
    source: db.prepare<[number], Summed<SourceRow>>(`SELECT ${columns} FROM source WHERE id = ?`),
    write: db.prepare(
      `INSERT INTO source (${columns}) VALUES (@id, @name, @topic, @next, @settled, @assignment, @frozen, @head_gap, @tail_gap, @sum)
       ON CONFLICT (id) DO UPDATE SET topic = @topic, next = @next, settled = @settled, assignment = @assignment, frozen = @frozen,
         head_gap = @head_gap, tail_gap = @tail_gap, sum = @sum`,
    ),
    bookmarks: db.prepare<[], Summed<Bookmark>>('SELECT source, token, sum FROM bookmark'),
    bookmark: db.prepare(
      'INSERT INTO bookmark (source, token, sum) VALUES (?, ?, ?) ON CONFLICT (source) DO UPDATE SET token = excluded.token, sum = excluded.sum',
    ),
  }
}
