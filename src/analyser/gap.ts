import { z } from 'zod'
import { duration } from '../runtime/units.ts'
import { defineKind, type Output, type Sample, type Subject, subjectName, type Watch } from './analyser.ts'
import { Holding } from './holding.ts'
import { FUTURE_MAX_MS } from './watermark.ts'

const options = z.strictObject({
  gap: z
    .strictObject({
      longer_than: duration({ min: '1ms', max: '365d' })
        .optional()
        .describe('Tells of two records of a source that lie further apart in event time.'),
      lost: z
        .boolean()
        .default(true)
        .describe('Tells of records that were lost on the way and said to be: a full buffer, a disk that was lost.'),
    })
    .describe('Which holes in the data are told.'),
})

class GapWatch implements Watch {
  readonly #longerThanMs: number
  readonly #tellsLost: boolean
  readonly #subject: Subject
  readonly #holding: Holding
  readonly #lastMs = new Map<string, number>()

  constructor({ gap }: z.output<typeof options>, subject: Subject) {
    this.#longerThanMs = gap.longer_than ?? Number.POSITIVE_INFINITY
    this.#tellsLost = gap.lost
    this.#subject = subject
    this.#holding = new Holding(subject, { holdMs: 0, clearMs: 0 })
  }

  sample({ key, timeMs, nowMs, value, gap }: Sample, out: Output): void {
    const name = subjectName(this.#subject.source)
    if (gap && this.#tellsLost) {
      const message = `${name} lost ${gap.records} records between ${gap.from} and ${gap.to}: ${gap.reason}`
      out.alert(this.#holding.alert('noted', timeMs, { message, values: { records: gap.records } }))
    }
    if (value === null || timeMs > nowMs + FUTURE_MAX_MS) return
    const lastMs = this.#lastMs.get(key)
    if (lastMs === undefined || timeMs > lastMs) this.#lastMs.set(key, timeMs)
    if (lastMs === undefined || timeMs - lastMs <= this.#longerThanMs) return
    const message = `${name} has no record between ${new Date(lastMs).toISOString()} and ${new Date(timeMs).toISOString()}`
    out.alert(this.#holding.alert('noted', timeMs, { message, values: { gap_ms: timeMs - lastMs } }))
  }

  tick(): void {}

  snapshot() {
    return { last: Object.fromEntries(this.#lastMs), holding: this.#holding.snapshot() }
  }

  restore(snapshot: unknown): void {
    const { last, holding } = snapshot as ReturnType<GapWatch['snapshot']>
    this.#lastMs.clear()
    for (const [key, timeMs] of Object.entries(last)) this.#lastMs.set(key, timeMs)
    this.#holding.restore(holding)
  }
}

/** Tells of holes in the data, once they are seen. */
export const gap = defineKind({
  kind: 'gap',
  markers: ['gap'],
  summary: 'Tells of holes in the data: records that were lost, or that lie too far apart.',
  options,
  open: options => subject => new GapWatch(options, subject),
})
