import type { Alert, Analyser, AnalyserKind, Derived, Sample, Watch } from '../../src/analyser/analyser.ts'
import { SampleRun } from '../../src/analyser/sample-run.ts'
import { type SourceId, sourceKey } from '../../src/runtime/names.ts'

export const SOURCE: SourceId = { gateway: 'plant-a-1', source: 'compressor-1' }

export function sample(timeMs: number, fields: Record<string, unknown>, more: Partial<Sample> = {}): Sample {
  const source = more.source ?? SOURCE
  return {
    source,
    key: sourceKey(source),
    sequence: 0,
    timeMs,
    nowMs: timeMs,
    value: Buffer.from('{}'),
    fields,
    facts: {},
    gap: undefined,
    ...more,
  }
}

/** A watch of a kind with options as in a file, and all that it says. */
export class Watching {
  readonly #analyser: Analyser
  readonly source: SourceId | null
  watch: Watch
  readonly alerts: Alert[] = []
  readonly records: Derived[] = []

  /** Units of fields, as far as they are known. */
  readonly units: Readonly<Record<string, string>>

  constructor(kind: unknown, options: object, source: SourceId | null = SOURCE, units: Readonly<Record<string, string>> = {}) {
    this.units = units
    const { options: schema, open } = kind as AnalyserKind
    this.#analyser = open(schema.parse(options))
    this.source = source
    this.watch = this.#open()
  }

  sample(timeMs: number, fields: Record<string, unknown>, more: Partial<Sample> = {}): this {
    this.watch.sample(sample(timeMs, fields, more), this.#out)
    return this
  }

  /** Records at once; says whether the watch took them so, or one by one. */
  run(samples: readonly Sample[]): boolean {
    const isTaken = this.watch.run?.(new SampleRun(samples), this.#out) === true
    if (!isTaken) for (const each of samples) this.watch.sample(each, this.#out)
    return isTaken
  }

  tick(nowMs: number): this {
    this.watch.tick(nowMs, this.#out)
    return this
  }

  /** Goes on with another watch from what this one would have kept. */
  restart(): this {
    const kept: unknown = JSON.parse(JSON.stringify(this.watch.snapshot()))
    this.watch = this.#open()
    this.watch.restore(kept)
    return this
  }

  get states(): string[] {
    return this.alerts.map(({ timeMs, state }) => `${timeMs} ${state}`)
  }

  #open(): Watch {
    return this.#analyser({ analyser: 'watched', id: 'plant.watched', source: this.source, unitOf: field => this.units[field] })
  }

  readonly #out = {
    alert: (alert: Alert) => void this.alerts.push(alert),
    record: (record: Derived) => void this.records.push(record),
  }
}
