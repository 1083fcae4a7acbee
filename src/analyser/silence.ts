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
  #lastMs: number | undefined

  constructor(silenceMs: number, subject: Subject) {
    this.#silenceMs = silenceMs
    this.#subject = subject
    this.#holding = new Holding(subject, { holdMs: 0, clearMs: 0 })
  }

  sample({ timeMs, value }: Sample, out: Output): void {
    // A placeholder is no word of the source's.
    if (value === null) return
    if (this.#lastMs === undefined || timeMs > this.#lastMs) this.#lastMs = timeMs
    if (this.#holding.judge({ holds: false, clears: true, sinceMs: timeMs, endMs: timeMs }) === 'cleared')
      this.#say('cleared', timeMs, 'speaks again', out)
  }

  tick(nowMs: number, out: Output): void {
    // A source whose clock was ahead spoke now at the latest: it must not count as heard until then.
    if (this.#lastMs !== undefined && this.#lastMs > nowMs) this.#lastMs = nowMs
    const lastMs = this.#lastMs
    if (lastMs === undefined || this.#holding.raised || nowMs - lastMs < this.#silenceMs) return
    const atMs = lastMs + this.#silenceMs
    if (this.#holding.judge({ holds: true, clears: false, sinceMs: lastMs, endMs: atMs }) === 'raised')
      this.#say('raised', atMs, `has said nothing since ${new Date(lastMs).toISOString()}`, out)
  }

  #say(state: 'raised' | 'cleared', timeMs: number, said: string, out: Output): void {
    out.alert(this.#holding.alert(state, timeMs, { message: `${subjectName(this.#subject.source)} ${said}`, values: {} }))
  }

  snapshot() {
    return { last: this.#lastMs ?? null, holding: this.#holding.snapshot() }
  }

  restore(snapshot: unknown): void {
    const { last, holding } = snapshot as ReturnType<SilenceWatch['snapshot']>
    this.#lastMs = last ?? undefined
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
