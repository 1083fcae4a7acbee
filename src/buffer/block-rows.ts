import type Database from 'better-sqlite3'
import { checkRow, rowSum } from './row-sum.ts'

/** A row of a block, but for what it holds; as the database names it (schema.ts). */
export interface BlockColumns {
  readonly source: number
  readonly first: number | null
  readonly count: number
  readonly time_ms: number
  readonly length: number | null
  readonly crc: number | null
  readonly place: string | null
}

type Summed = BlockColumns & { readonly id: number; readonly sum: number | null }

/** Rows of blocks, one by one. Whatever gives one throws `buffer_corrupt` where it is not what was written. */
export class BlockRows {
  readonly #sql: ReturnType<typeof statements>

  constructor(db: Database.Database) {
    this.#sql = statements(db)
  }

  find(id: number): (BlockColumns & { readonly data: Buffer }) | undefined {
    const row = this.#sql.find.get(id)
    if (row) check(row)
    return row
  }

  *all(): Generator<BlockColumns> {
    for (const row of this.#sql.all.iterate()) {
      check(row)
      yield row
    }
  }

  /** The new row's number, above all others. */
  insert(columns: BlockColumns, data: Buffer): number {
    const { source, first, count, time_ms, length, crc, place } = columns
    const sum = rowSum(valuesOf(columns))
    return Number(this.#sql.insert.run(source, first, count, time_ms, data, length, crc, place, sum).lastInsertRowid)
  }

  /** Removes the rows of all numbers from `first` to `last`. Gives the place of what each held; null where that was in the row. */
  remove(first: number, last: number): (string | null)[] {
    return this.#sql.remove.all(first, last)
  }
}

function valuesOf({ source, first, count, time_ms, length, crc, place }: BlockColumns): (string | number | null)[] {
  return [source, first, count, time_ms, length, crc, place]
}

function check(row: Summed): void {
  checkRow(valuesOf(row), row.sum, `the row of block ${row.id}`)
}

function statements(db: Database.Database) {
  const columns = 'id, source, first, count, time_ms, length, crc, place, sum'
  return {
    find: db.prepare<[number], Summed & { readonly data: Buffer }>(`SELECT ${columns}, data FROM block WHERE id = ?`),
    all: db.prepare<[], Summed>(`SELECT ${columns} FROM block`),
    insert: db.prepare<[number, number | null, number, number, Buffer, number | null, number | null, string | null, number]>(
      `INSERT INTO block (source, first, count, time_ms, data, length, crc, place, sum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    remove: db.prepare<[number, number], string | null>('DELETE FROM block WHERE id BETWEEN ? AND ? RETURNING place').pluck(),
  }
}
