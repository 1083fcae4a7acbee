import { z } from 'zod'
import { HeadraceError } from '../runtime/errors.ts'
import { type SourceId, sourceKey } from '../runtime/names.ts'
import { duration } from '../runtime/units.ts'
import { type Alert, type Analyser, defineAnalyser, type Sample } from './analyser.ts'
import { type Condition, compileCondition } from './condition.ts'
import { FieldWindow } from './field-window.ts'

const condition = z.string().superRefine((text, context) => {
  try {
    compileCondition(text)
  } catch (error) {
    if (!(error instanceof HeadraceError)) throw error
    context.addIssue({ code: 'custom', message: error.advice ? `${error.message}. ${error.advice}` : error.message })
  }
})

const options = z.strictObject({
  every: duration({ min: '100ms', max: '7d' }).describe(
    'Length of a window, by event time; windows follow one another without overlap.',
  ),
  when: condition.describe('Condition in CEL over aggregates of fields in a window, for example avg(oil_c) > 90.'),
  for: duration().default(0).describe('How long the condition must hold without a break before the alert is raised.'),
  clear_when: condition
    .optional()
    .describe('Condition that ends the alert; without it, the alert ends when `when` does not hold.'),
})
type Options = z.output<typeof options>

/** A record may be this far in the future and still count: a clock that jumped must not close every window to come. */
const FUTURE_MAX_MS = 3_600_000
/** Sources that one analyser keeps windows for; a glob over more is a mistake in the file. */
const SOURCES_MAX = 10_000

/**
 * Watches one source.
 *
 *   CALM ──condition held for `for`──► RAISED ──condition over (or `clear_when` holds)──► CALM
 *
 * Both changes are looked at when a window closes: when a record of a later one comes, or when the clock is a window's length past its end.
 */
interface Watch {
  readonly source: SourceId
  windowStartMs: number
  windows: Map<string, FieldWindow>
  /** Start of the first window of an unbroken run in which the condition held; undefined outside of one. */
  holdingSinceMs: number | undefined
  raised: boolean
}

interface WatchSnapshot {
  readonly gateway: string
  readonly source: string
  readonly windowStartMs: number
  readonly fields: Readonly<Record<string, readonly number[]>>
  readonly holdingSinceMs: number | null
  readonly raised: boolean
}

class ThresholdAnalyser implements Analyser {
  readonly #name: string
  readonly #everyMs: number
  readonly #holdMs: number
  readonly #when: Condition
  readonly #clearWhen: Condition | undefined
  readonly #fields: ReadonlySet<string>
  readonly #watches = new Map<string, Watch>()
  #nowMs = Number.POSITIVE_INFINITY

  constructor(name: string, options: Options) {
    this.#name = name
    this.#everyMs = options.every
    this.#holdMs = options.for
    this.#when = compileCondition(options.when)
    this.#clearWhen = options.clear_when === undefined ? undefined : compileCondition(options.clear_when)
    this.#fields = new Set([...this.#when.fields, ...(this.#clearWhen?.fields ?? [])])
  }

  sample(sample: Sample): Alert[] {
    const { fields, timeMs } = sample
    if (!fields || timeMs > this.#nowMs + FUTURE_MAX_MS) return []
    const startMs = Math.floor(timeMs / this.#everyMs) * this.#everyMs
    const watch = this.#watch(sample.source, startMs)
    if (!watch) return []
    const alerts = startMs > watch.windowStartMs ? this.#close(watch, startMs) : []
    // What comes later than its window's end was counted nowhere else either: the window's verdict stands.
    if (startMs < watch.windowStartMs) return alerts
    for (const name of this.#fields) {
      const value = fields[name]
      if (typeof value !== 'number' || !Number.isFinite(value)) continue
      let window = watch.windows.get(name)
      if (!window) {
        window = new FieldWindow()
        watch.windows.set(name, window)
      }
      window.add(value)
    }
    return alerts
  }

  tick(nowMs: number): Alert[] {
    this.#nowMs = nowMs
    const alerts: Alert[] = []
    for (const watch of this.#watches.values()) {
      // One more window's length: records on their way must not be cut off by the clock of another machine.
      if (nowMs < watch.windowStartMs + 2 * this.#everyMs || watch.windows.size === 0) continue
      alerts.push(...this.#close(watch, watch.windowStartMs + this.#everyMs))
    }
    return alerts
  }

  #watch(source: SourceId, startMs: number): Watch | undefined {
    const key = sourceKey(source)
    const known = this.#watches.get(key)
    if (known || this.#watches.size >= SOURCES_MAX) return known
    const watch = { source, windowStartMs: startMs, windows: new Map(), holdingSinceMs: undefined, raised: false }
    this.#watches.set(key, watch)
    return watch
  }

  /** Judges the window that is over and begins the one at `nextStartMs`. */
  #close(watch: Watch, nextStartMs: number): Alert[] {
    const { windows, windowStartMs } = watch
    const endMs = windowStartMs + this.#everyMs
    const alerts: Alert[] = []
    const holds = this.#when.holds(windows)
    if (holds) watch.holdingSinceMs ??= windowStartMs
    else watch.holdingSinceMs = undefined

    if (!watch.raised && watch.holdingSinceMs !== undefined && endMs - watch.holdingSinceMs >= this.#holdMs) {
      watch.raised = true
      alerts.push(this.#alert(watch, 'raised', endMs))
    } else if (watch.raised && (this.#clearWhen ? this.#clearWhen.holds(windows) : windows.size > 0 && !holds)) {
      watch.raised = false
      alerts.push(this.#alert(watch, 'cleared', endMs))
    }
    watch.windows = new Map()
    watch.windowStartMs = nextStartMs
    return alerts
  }

  #alert(watch: Watch, state: Alert['state'], timeMs: number): Alert {
    const values = this.#when.values(watch.windows)
    const found = Object.entries(values).map(([name, value]) => `${name} = ${Number(value.toPrecision(6))}`)
    const { source } = watch
    return {
      key: `${this.#name}:${sourceKey(source)}:${timeMs}:${state}`,
      analyser: this.#name,
      source,
      state,
      timeMs,
      message: `${this.#when.text} ${state === 'raised' ? 'holds' : 'is over'} for ${sourceKey(source)}: ${found.join(', ')}`,
      values,
    }
  }

  snapshot(): WatchSnapshot[] {
    return [...this.#watches.values()].map(watch => ({
      gateway: watch.source.gateway,
      source: watch.source.source,
      windowStartMs: watch.windowStartMs,
      fields: Object.fromEntries([...watch.windows].map(([name, window]) => [name, window.snapshot()])),
      holdingSinceMs: watch.holdingSinceMs ?? null,
      raised: watch.raised,
    }))
  }

  restore(snapshot: unknown): void {
    this.#watches.clear()
    for (const saved of snapshot as WatchSnapshot[]) {
      const source = { gateway: saved.gateway, source: saved.source }
      this.#watches.set(sourceKey(source), {
        source,
        windowStartMs: saved.windowStartMs,
        windows: new Map(Object.entries(saved.fields).map(([name, numbers]) => [name, FieldWindow.restore(numbers)])),
        holdingSinceMs: saved.holdingSinceMs ?? undefined,
        raised: saved.raised,
      })
    }
  }
}

/** Alerts while a condition over a window holds. */
export const threshold = defineAnalyser({
  kind: 'threshold',
  marker: 'when',
  summary: 'Raises an alert while a condition over windows of event time holds.',
  options,
  open: (name, options) => new ThresholdAnalyser(name, options),
})
