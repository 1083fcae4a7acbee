import { z } from 'zod'
import { DATE_MS_MAX } from '../runtime/clock.ts'
import { HeadraceError } from '../runtime/errors.ts'
import { type Analyser, type AnalyserKind, defineKind, type Output, type Sample, type Subject, type Watch } from './analyser.ts'
import type { AnalyserContext, AnalyserModule } from './define-analyser.ts'
import { Holding } from './holding.ts'
import { FUTURE_MAX_MS } from './watermark.ts'

/** Timers that one watch may have set at once. */
const TIMERS_MAX = 10_000

/**
 * Timers that are called in one go. A device whose clock leaps by years would else keep the whole process at a timer that sets itself each second, for an
 * hour; past this, one that is set to a time that has passed comes at the end of the leap.
 */
const CALLS_AT_ONCE_MAX = 100_000

const options = z.strictObject({
  module: z
    .string()
    .min(1)
    .describe('A file in TypeScript or JavaScript whose default export is an analyser, from where the pipeline file lies.'),
})

interface Snapshot {
  readonly state: unknown
  readonly timers: readonly (readonly [string, number])[]
  readonly holding: unknown
}

class ModuleWatch implements Watch {
  readonly #module: AnalyserModule
  readonly #holding: Holding
  readonly #timers = new Map<string, number>()
  #state: unknown
  #nextTimerMs = Number.POSITIVE_INFINITY

  constructor(module: AnalyserModule, subject: Subject) {
    this.#module = module
    this.#state = module.initial()
    this.#holding = new Holding(subject, { holdMs: 0, clearMs: 0 })
  }

  sample(sample: Sample, out: Output): void {
    const { source, sequence, timeMs, nowMs, fields, facts, value } = sample
    if (value === null || timeMs > nowMs + FUTURE_MAX_MS) return
    this.tick(timeMs, out)
    const record = { gateway: source.gateway, source: source.source, sequence, timeMs, fields, facts, value }
    refusePromise(this.#module.onRecord(record, this.#state, this.#context(timeMs, out)))
  }

  /** Timers that are due, in order of time. */
  tick(nowMs: number, out: Output): void {
    for (let calls = 0; this.#nextTimerMs <= nowMs; calls++) {
      const earliestMs = calls < CALLS_AT_ONCE_MAX ? Number.NEGATIVE_INFINITY : nowMs
      const [name, atMs] = [...this.#timers].reduce((first, each) => (each[1] < first[1] ? each : first))
      this.#timers.delete(name)
      this.#findNextTimer()
      refusePromise(this.#module.onTimer?.(name, this.#state, this.#context(atMs, out, earliestMs)))
    }
  }

  snapshot(): Snapshot {
    return { state: this.#state, timers: [...this.#timers], holding: this.#holding.snapshot() }
  }

  restore(snapshot: unknown): void {
    const { state, timers, holding } = snapshot as Snapshot
    this.#state = state
    this.#timers.clear()
    for (const [name, atMs] of timers) this.#timers.set(name, atMs)
    this.#holding.restore(holding)
    this.#findNextTimer()
  }

  #context(timeMs: number, out: Output, earliestTimerMs = Number.NEGATIVE_INFINITY): AnalyserContext {
    return {
      timeMs,
      alert: ({ state = 'noted', message, values = {} }) =>
        out.alert(this.#holding.alert(state, timeMs, { message: String(message), values })),
      emit: (value, atMs = timeMs) => {
        // Not a number, too: nothing that is written after such a record would ever be.
        if (!(Math.abs(atMs) <= DATE_MS_MAX))
          throw new HeadraceError('config_invalid', `a record is emitted at ${atMs}, which is no time`)
        out.record({ timeMs: Math.floor(atMs), value })
      },
      setTimer: (name, atMs) => {
        if (!Number.isFinite(atMs)) throw new HeadraceError('config_invalid', `timer "${name}" is set to no time`)
        if (this.#timers.size >= TIMERS_MAX && !this.#timers.has(name))
          throw new HeadraceError('limit_exceeded', `more than ${TIMERS_MAX} timers are set`)
        // One that is due already comes after this call, and not within it.
        this.#timers.set(name, Math.max(Math.floor(atMs), timeMs + 1, earliestTimerMs))
        this.#findNextTimer()
      },
      clearTimer: name => {
        this.#timers.delete(name)
        this.#findNextTimer()
      },
    }
  }

  #findNextTimer(): void {
    this.#nextTimerMs = Math.min(...this.#timers.values())
  }
}

function refusePromise(returned: unknown): void {
  if (returned instanceof Promise) {
    returned.catch(() => {})
    throw new HeadraceError('config_invalid', 'an analyser returned a promise: what it does has to be done when it returns')
  }
}

/** An analyser from a module's default export; undefined where that is none. */
export function asModule(exported: unknown): AnalyserModule | undefined {
  if (typeof exported !== 'object' || exported === null) return undefined
  const { initial, onRecord, onTimer } = exported as Partial<AnalyserModule>
  const isOne =
    typeof initial === 'function' && typeof onRecord === 'function' && ['function', 'undefined'].includes(typeof onTimer)
  return isOne ? (exported as AnalyserModule) : undefined
}

export function openModule(module: AnalyserModule): Analyser {
  return subject => new ModuleWatch(module, subject)
}

/** An analyser that somebody wrote; the file is loaded before it is opened. */
export const moduleKind: AnalyserKind<typeof options> = defineKind({
  kind: 'module',
  markers: ['module'],
  summary: 'Runs an analyser of your own, written with `defineAnalyser`.',
  options,
  open: ({ module }) => {
    throw new HeadraceError('internal', `module ${module} was not loaded`)
  },
})
