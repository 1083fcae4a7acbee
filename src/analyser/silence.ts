import { z } from 'zod'
import { duration } from '../runtime/units.ts'
import { defineKind, type Output, type Sample, type Subject, subjectName, type Watch } from './analyser.ts'
import { Holding } from './holding.ts'

const options = z.strictObject({
  silence: duration({ min: '1s', max: '365d' }).describe('How long a source may say nothing before the alert is raised.'),
})

class SilenceWatch implements Watch {
  readonly #silenceMs: number
  readonly #subject: Subject
  readonly #holding: Holding
  /** Event time of the newest record. */
  #lastMs: number | undefined
  /** Wall clock when the latest record was read that was no backlog of this process's own. */
  #readMs: number | undefined
  /** The clock was told: all that was in the log had been read, and what comes now comes now. */
  #isUpToDate = false

  constructor(silenceMs: number, subject: Subject) {
    this.#silenceMs = silenceMs
    this.#subject = subject
    this.#holding = new Holding(subject, { holdMs: 0, clearMs: 0 })
  }

  sample({ timeMs, nowMs, value }: Sample, out: Output): void {
    // A placeholder is no word of the source's.
    if (value === null) return
    // Whatever its time says: a device's clock may be behind or be set back, and a gateway that was cut off brings what is old.
    if (this.#isUpToDate || this.#lastMs === undefined) this.#readMs = nowMs
    if (this.#lastMs === undefined || timeMs > this.#lastMs) this.#lastMs = timeMs
    if (this.#holding.judge({ holds: false, clears: true, sinceMs: timeMs, endMs: timeMs }) === 'cleared')
      this.#say('cleared', timeMs, 'speaks again', out)
  }

  tick(nowMs: number, out: Output): void {
    this.#isUpToDate = true
    if (this.#lastMs === undefined) return
    // A source whose clock was ahead spoke now at the latest: it must not count as heard until then.
    this.#lastMs = Math.min(this.#lastMs, nowMs)
    if (this.#readMs !== undefined) this.#readMs = Math.min(this.#readMs, nowMs)
    const lastMs = Math.max(this.#lastMs, this.#readMs ?? this.#lastMs)
    if (this.#holding.raised || nowMs - lastMs < this.#silenceMs) return
    const atMs = lastMs + this.#silenceMs
    if (this.#holding.judge({ holds: true, clears: false, sinceMs: lastMs, endMs: atMs }) === 'raised')
      this.#say('raised', atMs, `has said nothing since ${new Date(lastMs).toISOString()}`, out)
  }

  #say(state: 'raised' | 'cleared', timeMs: number, said: string, out: Output): void {
    out.alert(this.#holding.alert(state, timeMs, { message: `${subjectName(this.#subject.source)} ${said}`, values: {} }))
  }

  snapshot() {
    return { last: this.#lastMs ?? null, read: this.#readMs ?? null, holding: this.#holding.snapshot() }
  }

  restore(snapshot: unknown): void {
    const { last, read, holding } = snapshot as ReturnType<SilenceWatch['snapshot']>
    this.#lastMs = last ?? undefined
    this.#readMs = read ?? undefined
    this.#holding.restore(holding)
  }
}

/** Alerts when a source that has spoken falls silent. */
export const silence = defineKind({
  kind: 'silence',
  markers: ['silence'],
  summary: 'Raises an alert when a source that has spoken says nothing for a while.',
  options,
  open: options => subject => new SilenceWatch(options.silence, subject),
})
