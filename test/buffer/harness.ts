import { randomBytes } from 'node:crypto'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CutBatch, EdgeBuffer, Outlet } from '../../src/buffer/buffer.ts'
import { BUFFER_LIMITS, type BufferLimits } from '../../src/buffer/limits.ts'
import { type EdgeBufferOptions, openEdgeBuffer } from '../../src/buffer/open.ts'
import type { SourceSettings } from '../../src/buffer/source-buffer.ts'
import { decodeBatch } from '../../src/record/batch-reader.ts'
import { parseGap } from '../../src/record/gap.ts'
import { type Gap, HEADER } from '../../src/record/record.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import type { Boot } from '../../src/runtime/boot.ts'
import { type Clock, systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'

export const GATEWAY = 'plant-a-1'
export const ASSIGNMENT = { log: 'log-1', topic: 'plant', partition: 0, producerId: 7, epoch: 0, epochStart: 0 } as const

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
      limits: { ...BUFFER_LIMITS, ...options.limits },
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
    const copy = new Bench()
    cpSync(join(this.folder, 'edge'), join(copy.folder, 'edge'), { recursive: true })
    rmSync(join(copy.folder, 'edge', 'lock'), { force: true })
    return copy
  }

  loseDatabase(): void {
    for (const file of ['buffer.db', 'buffer.db-wal', 'buffer.db-shm']) rmSync(join(this.folder, 'edge', file), { force: true })
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

/** Puts so much of it, of these numbers, on disk. */
export async function fill(buffer: EdgeBuffer, source: string, from: number, count: number): Promise<void> {
  for (let number = from; number < from + count; number++) {
    put(buffer, source, noise(number))
    if (number % 10 === 9) await buffer.inlet(source).stored()
  }
  await buffer.inlet(source).stored()
}
