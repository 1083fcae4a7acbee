import { z } from 'zod'
import { type SourceId, sourceKey } from '../runtime/names.ts'
import { duration } from '../runtime/units.ts'
import { type Alert, type Analyser, defineAnalyser, type Sample } from './analyser.ts'

const options = z.strictObject({
  silence: duration({ min: '1s', max: '365d' }).describe('How long a source may say nothing before the alert is raised.'),
})
type Options = z.output<typeof options>

const SOURCES_MAX = 10_000

interface Watch {
  readonly source: SourceId
  lastMs: number
  raised: boolean
}

class SilenceAnalyser implements Analyser {
  readonly #name: string
  readonly #silenceMs: number
  readonly #watches = new Map<string, Watch>()

  constructor(name: string, options: Options) {
    this.#name = name
    this.#silenceMs = options.silence
  }

  sample({ source, timeMs }: Sample): Alert[] {
    const key = sourceKey(source)
    const watch = this.#watches.get(key)
    if (!watch) {
      if (this.#watches.size < SOURCES_MAX) this.#watches.set(key, { source, lastMs: timeMs, raised: false })
      return []
    }
    if (timeMs > watch.lastMs) watch.lastMs = timeMs
    if (!watch.raised) return []
    watch.raised = false
    return [this.#alert(watch, 'cleared', timeMs)]
  }

  tick(nowMs: number): Alert[] {
    const alerts: Alert[] = []
    for (const watch of this.#watches.values()) {
      if (watch.raised || nowMs - watch.lastMs < this.#silenceMs) continue
      watch.raised = true
      alerts.push(this.#alert(watch, 'raised', watch.lastMs + this.#silenceMs))
    }
    return alerts
  }

  #alert({ source, lastMs }: Watch, state: Alert['state'], timeMs: number): Alert {
    const said = state === 'raised' ? `has said nothing since ${new Date(lastMs).toISOString()}` : 'speaks again'
    return {
      key: `${this.#name}:${sourceKey(source)}:${timeMs}:${state}`,
      analyser: this.#name,
      source,
      state,
      timeMs,
      message: `${sourceKey(source)} ${said}`,
      values: {},
    }
  }

  snapshot(): Watch[] {
    return [...this.#watches.values()]
  }

  restore(snapshot: unknown): void {
    this.#watches.clear()
    for (const watch of snapshot as Watch[]) this.#watches.set(sourceKey(watch.source), { ...watch })
  }
}

/** Alerts when a source that has spoken falls silent. */
export const silence = defineAnalyser({
  kind: 'silence',
  marker: 'silence',
  summary: 'Raises an alert when a source that has spoken says nothing for a while.',
  options,
  open: (name, options) => new SilenceAnalyser(name, options),
})
