import { randomBytes } from 'node:crypto'
import { closeSync, cpSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { CutBatch, EdgeBuffer, Outlet, SourceSettings } from '../../src/buffer/buffer.ts'
import { BLOCKS_FILE, DATABASE_FILE, DATABASE_FILES } from '../../src/buffer/database-files.ts'
import type { Extent } from '../../src/buffer/free-pages.ts'
import { openInlineStore } from '../../src/buffer/inline-store.ts'
import { BUFFER_LIMITS, type BufferLimits } from '../../src/buffer/limits.ts'
import { type EdgeBufferOptions, openEdgeBuffer } from '../../src/buffer/open.ts'
import { parsePlace } from '../../src/buffer/place.ts'
import { PAGE_BYTES } from '../../src/buffer/schema.ts'
import type { Commit } from '../../src/buffer/store-calls.ts'
import type { StoreOptions } from '../../src/buffer/store-thread.ts'
import { decodeBatch } from '../../src/record/batch-reader.ts'
import { parseGap } from '../../src/record/gap.ts'
import { type Gap, HEADER } from '../../src/record/record.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import type { Boot } from '../../src/runtime/boot.ts'
import { type Clock, systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'

export const GATEWAY = 'plant-a-1'
export const ASSIGNMENT = { log: 'log-1', topic: 'plant', partition: 0, producerId: 7, epoch: 0, epochStart: 0 } as const

/** Where blocks lie: every promise of the buffer holds wherever that is. */
export const PLACES: readonly (readonly [string, Partial<BufferLimits>])[] = [
  ['in their rows', { fileQuotaBytes: Number.MAX_SAFE_INTEGER }],
  ['in the file of blocks', { fileQuotaBytes: 1, fileCommitBytes: 1, fileBlockBytes: 1 }],
]

export type Settings = Partial<SourceSettings>

export interface OpenOptions {
  readonly sources?: Readonly<Record<string, Settings>>
  readonly quotaBytes?: number
  readonly rewindBytes?: number
  readonly flashBytesPerDay?: number
  readonly worker?: 'thread' | 'inline'
  readonly clock?: Clock
  readonly boot?: Boot
  readonly limits?: Partial<BufferLimits>
  readonly openStore?: EdgeBufferOptions['openStore']
}

/** A state directory and what is opened in it, one after another. */
export class Bench {
  readonly folder = mkdtempSync(join(tmpdir(), 'headrace-buffer-'))
  alarms = new Alarms(systemClock)
  readonly #open = new Set<EdgeBuffer>()
  readonly #limits: Partial<BufferLimits>

  constructor(limits: Partial<BufferLimits> = {}) {
    this.#limits = limits
  }

  async open(options: OpenOptions = {}): Promise<EdgeBuffer> {
    const clock = options.clock ?? systemClock
    this.alarms = new Alarms(clock)
    const buffer = await openEdgeBuffer({
      stateDir: join(this.folder, 'edge'),
      gateway: GATEWAY,
      quotaBytes: options.quotaBytes ?? 64 * 2 ** 20,
      rewindBytes: options.rewindBytes ?? 16 * 2 ** 20,
      sources: Object.entries(options.sources ?? { 'pump-1': {} }).map(([source, settings]) => ({
        source,
        topic: 'plant',
        whenFull: 'drop_oldest',
        priority: 0,
        durabilityMs: 0,
        ...settings,
      })),
      clock,
      ...(options.boot && { boot: options.boot }),
      ...(options.flashBytesPerDay !== undefined && { flashBytesPerDay: options.flashBytesPerDay }),
      random: Math.random,
      log: silentLogger,
      alarms: this.alarms,
      worker: options.worker ?? 'inline',
      limits: { ...BUFFER_LIMITS, ...this.#limits, ...options.limits },
      ...(options.openStore ? { openStore: options.openStore } : {}),
    })
    this.#open.add(buffer)
    return buffer
  }

  async close(buffer: EdgeBuffer): Promise<void> {
    this.#open.delete(buffer)
    await buffer.close()
  }

  /** What a power cut would leave now: the files as they are on disk, opened elsewhere. */
  cut(): Bench {
    const copy = new Bench(this.#limits)
    cpSync(join(this.folder, 'edge'), join(copy.folder, 'edge'), { recursive: true })
    rmSync(join(copy.folder, 'edge', 'lock'), { force: true })
    return copy
  }

  loseDatabase(): void {
    for (const file of DATABASE_FILES) rmSync(join(this.folder, 'edge', file), { force: true })
  }

  /** Changes the last byte of the oldest blocks that `where` is about, wherever they lie; gives how many. */
  damageBlocks(where: string, limit = -1): number {
    const db = new Database(join(this.folder, 'edge', DATABASE_FILE))
    const rows = db
      .prepare<[number], { id: number; data: Buffer; length: number | null; place: string | null }>(
        `SELECT id, data, length, place FROM block WHERE ${where} ORDER BY id LIMIT ?`,
      )
      .all(limit)
    for (const { id, data, length, place } of rows) {
      if (place !== null) {
        this.#damageFile(parsePlace(place) ?? [], length ?? 0)
        continue
      }
      data[data.length - 1] = (data.at(-1) ?? 0) ^ 0xff
      db.prepare('UPDATE block SET data = ? WHERE id = ?').run(data, id)
    }
    db.close()
    return rows.length
  }

  #damageFile(extents: readonly Extent[], length: number): void {
    const before = extents.slice(0, -1).reduce((sum, { pages }) => sum + pages * PAGE_BYTES, 0)
    const at = (extents.at(-1)?.page ?? 0) * PAGE_BYTES + length - before - 1
    const file = openSync(join(this.folder, 'edge', BLOCKS_FILE), 'r+')
    const byte = Buffer.alloc(1)
    readSync(file, byte, 0, 1, at)
    writeSync(file, Buffer.from([(byte[0] ?? 0) ^ 0xff]), 0, 1, at)
    closeSync(file)
  }

  async end(): Promise<void> {
    for (const buffer of this.#open) await buffer.close().catch(() => {})
    rmSync(this.folder, { recursive: true, force: true })
  }
}

export function put(
  buffer: EdgeBuffer,
  source: string,
  text: string,
  timeMs = Date.now(),
): 'taken' | 'dropped' | 'too_large' | 'full' {
  const bytes = Buffer.from(text)
  return buffer.inlet(source).append(timeMs, bytes, 0, bytes.length)
}

export function outletOf(buffer: EdgeBuffer, source = 'pump-1'): Outlet {
  const outlet = buffer.outlet(source)
  if (!outlet) throw new Error(`no source ${source}`)
  return outlet
}

/** Takes batches as the link would until `count` records came, without settling them. */
export async function takeRecords(buffer: EdgeBuffer, source: string, count: number, limitMs = 10_000): Promise<CutBatch[]> {
  const outlet = outletOf(buffer, source)
  const taken: CutBatch[] = []
  let records = 0
  const deadline = performance.now() + limitMs
  while (records < count) {
    const batch = outlet.take()
    if (batch) {
      taken.push(batch)
      records += batch.count
    } else if (performance.now() > deadline) throw new Error(`${source}: ${records} of ${count} records within ${limitMs} ms`)
    else await new Promise(resolve => setTimeout(resolve, 2))
  }
  return taken
}

/** How often the process comes round while it is looked at, where nothing is to be done. */
const IDLE_TURNS = 500

/** A clock that counts how often it is looked at: a commit does so several times. */
export function countingClock() {
  let looks = 0
  const clock = {
    ...systemClock,
    monotonicMs: () => {
      looks += 1
      return systemClock.monotonicMs()
    },
  }
  return {
    clock,
    /** Looks at it in the next turns of the process. */
    async looksWhileIdle(): Promise<number> {
      looks = 0
      for (let turn = 0; turn < IDLE_TURNS; turn++) await new Promise(resolve => setImmediate(resolve))
      return looks
    },
  }
}

export interface Delivered {
  readonly sequence: number
  readonly text: string | null
  readonly gap: Gap | undefined
}

export function recordsOf(batches: readonly CutBatch[]): Delivered[] {
  return batches.flatMap(batch =>
    decodeBatch(batch.bytes).map((record, index) => {
      const header = record.headers.find(({ key }) => key === HEADER.gap)
      return {
        sequence: batch.sequence + index,
        text: record.value?.toString('utf8') ?? null,
        gap: header && parseGap(header.value),
      }
    }),
  )
}

/** Numbers without a hole or a repeat, from `first` on. */
export function isContiguous(records: readonly Delivered[], first = 0): boolean {
  return records.every(({ sequence }, index) => sequence === first + index)
}

export function declared(records: readonly Delivered[]): number {
  return records.reduce((sum, { gap }) => sum + (gap?.records ?? 0), 0)
}

/** Random bytes do not compress: the quota is reached after as many as one would think. */
export const noise = (number: number) => `${number}:${randomBytes(600).toString('hex')}`
export const numberOf = (text: string | null) => Number(text?.split(':')[0])

/** A store that notes what each commit inserts: the sources of its blocks, and their bytes before compression, one after another. */
export function noted(commits: { source: number; bytes: number }[][]) {
  return (options: StoreOptions) => {
    const store = openInlineStore(options)
    return {
      ...store,
      commit: (commit: Commit) => {
        const inserted = commit.steps.filter(step => step.kind === 'insert')
        if (inserted.length > 0) commits.push(inserted.map(({ source, plain }) => ({ source, bytes: plain.length })))
        return store.commit(commit)
      },
    }
  }
}

/** Puts so much of it, of these numbers, on disk. */
export async function fill(buffer: EdgeBuffer, source: string, from: number, count: number): Promise<void> {
  for (let number = from; number < from + count; number++) {
    put(buffer, source, noise(number))
    if (number % 10 === 9) await buffer.inlet(source).stored()
  }
  await buffer.inlet(source).stored()
}
