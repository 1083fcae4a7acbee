import { readBatchHeader } from '../record/batch-header.ts'
import { gapAt } from '../record/gap.ts'
import { PLACEHOLDER_RECORDS_MAX, standsFor } from '../record/placeholder.ts'
import type { GapReason } from '../record/record.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Logger } from '../runtime/logger.ts'
import type { OwnBatch } from './buffer.ts'
import type { BufferAlarms } from './buffer-alarms.ts'
import type { BufferIndex } from './buffer-index.ts'
import type { CutRow } from './cut-rows.ts'
import type { Plan } from './plan.ts'
import { roomOf } from './room.ts'
import type { SourceBuffer } from './source-buffer.ts'
import type { AsyncStore } from './store-thread.ts'

export interface RefillDeps {
  readonly store: AsyncStore
  readonly index: BufferIndex
  readonly alarms: BufferAlarms
  readonly clock: Clock
  readonly log: Logger
  readonly quotaBytes: number
  /** An empty plan of the present moment. */
  plan(): Plan
  execute(plan: Plan): Promise<unknown>
  /** Whom the attached link wants told that a source has a batch; undefined without a link. */
  onReady(): ((source: string) => void) | undefined
}

/** Brings back into memory what the link will want next, and puts placeholders where what was cut is not there any more. */
export class Refill {
  readonly #deps: RefillDeps

  constructor(deps: RefillDeps) {
    this.#deps = deps
  }

  /** Cut batches that a source may have in memory now. */
  get readyMax(): number {
    const { readyBytes, limits } = this.#deps.index
    return readyBytes < limits.readyBytes ? limits.readyBatches : 1
  }

  /**
   * Brings back what the link will want next, and what of the backlog may be cut, or has to give way. `neededBytes` is asked last: what comes while batches are read counts too, or the newest
   * would be lost in the place of an oldest that nobody had looked at.
   */
  async load(sources: readonly SourceBuffer[], neededBytes: () => number): Promise<void> {
    const { index, store, quotaBytes, onReady } = this.#deps
    if (onReady()) await this.#loadAllReady(sources)
    const isShort = neededBytes() > roomOf(quotaBytes)
    const looked = isShort ? [...index.sources.values()] : onReady() ? sources : []
    if (looked.some(source => index.isBlind(source))) await index.loadUncut(store)
  }

  async #loadAllReady(sources: readonly SourceBuffer[]): Promise<void> {
    for (const source of sources) {
      while (source.readyEnd < source.next && source.ready.length < this.readyMax && !source.frozen) {
        if (!(await this.#loadReady(source))) break
      }
    }
  }

  /** A cut batch as its row and its bytes say. */
  async own({ id, first: sequence, count }: CutRow): Promise<OwnBatch> {
    const [read] = await this.#deps.store.read([id])
    // One that is damaged was cut all the same: where the log has it, nothing is lost.
    if (!read || 'damaged' in read) return { sequence, count, crc: null }
    const { bytes } = read
    return { sequence, count, crc: readBatchHeader(bytes).crc, standsForLost: () => standsFor(bytes, 'buffer_lost') }
  }

  /** Placeholders for the numbers [from, to); `instead` of a batch that goes. */
  async fill(
    source: SourceBuffer,
    { from, to, reason, instead }: { from: number; to: number; reason: GapReason; instead?: CutRow | undefined },
  ): Promise<void> {
    const nowMs = this.#deps.clock.wallMs()
    const plan = this.#deps.plan()
    if (instead) {
      source.cut.remove(instead)
      plan.steps.push({ step: { kind: 'forget', ids: [instead.id] }, done: () => {} })
    }
    plan.steps.push({ step: { kind: 'source', row: source.toRow() }, done: () => {} })
    for (let at = from; at < to; at += PLACEHOLDER_RECORDS_MAX) {
      const count = Math.min(PLACEHOLDER_RECORDS_MAX, to - at)
      plan.placeholder(source, { from: at, count, timeMs: nowMs, gap: gapAt(count, nowMs, nowMs, reason) })
    }
    await this.#deps.execute(plan)
  }

  async #loadReady(source: SourceBuffer): Promise<boolean> {
    const end = source.readyEnd
    const from = source.cut.from(end)
    if (source.cut.at(from)?.first !== end) {
      // Rows are missing where numbers were given away.
      await this.fill(source, { from: end, to: source.cut.at(from)?.first ?? source.next, reason: 'buffer_lost' })
      return false
    }
    const rows = source.cut.slice(from, from + this.readyMax - source.ready.length)
    const read = await this.#deps.store.read(rows.map(row => row.id))
    for (const [at, row] of rows.entries()) {
      // Behind a hole nothing is given: it is filled first.
      if (row.first !== source.readyEnd) break
      const batch = read[at]
      if (!batch || 'damaged' in batch) {
        await this.#replaceDamaged(source, row, batch?.damaged ?? 'it is not there')
        return false
      }
      const { crc } = readBatchHeader(batch.bytes)
      const epoch = source.assignment?.epoch ?? 0
      const { first: sequence, count } = row
      source.ready.push({ source: source.source, sequence, count, bytes: batch.bytes, epoch, crc })
      this.#deps.index.readyBytes += batch.bytes.length
    }
    this.#deps.onReady()?.(source.source)
    return true
  }

  /** A batch that was cut and cannot be read any more: its numbers were given away, so that something has to stand there. */
  async #replaceDamaged(source: SourceBuffer, row: CutRow, why: string): Promise<void> {
    const { log, alarms, plan: newPlan, execute } = this.#deps
    log.error({ source: source.source, sequence: row.first }, `a batch in the buffer is damaged: ${why}`)
    if (!source.assignment) return
    source.cut.remove(row)
    const { first: from, count, timeMs } = row
    const plan = newPlan()
    plan.placeholder(source, { from, count, timeMs, gap: gapAt(count, timeMs, timeMs, 'buffer_lost') })
    plan.steps.push({ step: { kind: 'forget', ids: [row.id] }, done: () => {} })
    await execute(plan)
    alarms.damaged(source, count)
  }
}
