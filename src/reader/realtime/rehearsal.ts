import type { Alert } from '../../analyser/analyser.ts'
import { SampleRun } from '../../analyser/sample-run.ts'
import type { Fields } from '../../record/fields.ts'
import type { RecordHeader } from '../../record/record.ts'
import { HeadraceError, messageOf } from '../../runtime/errors.ts'
import { type SourceId, STREAM_GATEWAY, sourceKey } from '../../runtime/names.ts'
import { type AnalyserDefinition, watchesSource } from './definition.ts'
import { KnownFields, NO_FIELDS } from './known-fields.ts'
import { RunningWatch, watchSubject } from './running-watch.ts'
import { type SampledSource, sampleOf } from './sample.ts'

export interface RehearsedRecord {
  readonly sequence: number
  readonly timeMs: number
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
}

export interface Rehearsed {
  alert(alert: Alert, definition: AnalyserDefinition): void
  derived(stream: string, record: { timeMs: number; value: unknown }): void
  /** What is known of a source's fields; undefined where nothing is. */
  factsOf(source: SourceId): Fields | undefined
}

/** Analysers without a log, a clock or sinks: they are given records and times, and what they say is handed on. For tests and for the past. */
export class Rehearsal {
  readonly #definitions: readonly AnalyserDefinition[]
  readonly #rehearsed: Rehearsed
  readonly #watches = new Map<string, RunningWatch>()
  readonly #bySource = new Map<string, { readonly sampled: SampledSource; readonly watches: readonly RunningWatch[] }>()
  /** What is known of the fields that each analyser reads. */
  readonly #known = new Map<string, KnownFields>()
  readonly #sequences = new Map<string, number>()

  constructor(definitions: readonly AnalyserDefinition[], rehearsed: Rehearsed) {
    this.#definitions = definitions
    this.#rehearsed = rehearsed
  }

  record(source: SourceId, topic: string, record: RehearsedRecord, nowMs: number): void {
    const { sampled, watches } = this.#of(source, topic)
    const sample = sampleOf(sampled, record, nowMs)
    for (const watch of watches) {
      watch.take(new SampleRun([sample]), nowMs)
      this.#listen(watch, nowMs)
    }
  }

  tick(nowMs: number): void {
    for (const watch of this.#watches.values()) {
      watch.tick(nowMs, nowMs)
      this.#listen(watch, nowMs)
    }
  }

  #of(source: SourceId, topic: string) {
    const key = sourceKey(source)
    const known = this.#bySource.get(key)
    if (known) return known
    const facts = this.#factsOf(source)
    const watches = this.#definitions
      .filter(definition => watchesSource(definition, source, topic))
      .map(definition => {
        const about = watchSubject(definition, source)
        const name = `${definition.id} ${about ? key : '*'}`
        const watch = this.#watches.get(name) ?? new RunningWatch(definition, about, undefined)
        this.#watches.set(name, watch)
        watch.know(key, facts)
        this.#knownTo(definition).know(key, facts)
        return watch
      })
    const found = { sampled: { source, key, facts }, watches }
    this.#bySource.set(key, found)
    return found
  }

  /** Of a derived stream it follows from what its analyser has read. */
  #factsOf({ gateway, source }: SourceId): Fields {
    const maker = gateway === STREAM_GATEWAY ? this.#definitions.find(({ stream }) => stream?.source === source) : undefined
    if (maker) return maker.stream?.fieldsOf(this.#knownTo(maker).factsOf) ?? NO_FIELDS
    return this.#rehearsed.factsOf({ gateway, source }) ?? NO_FIELDS
  }

  #knownTo({ id }: AnalyserDefinition): KnownFields {
    const known = this.#known.get(id) ?? new KnownFields()
    this.#known.set(id, known)
    return known
  }

  #listen(watch: RunningWatch, nowMs: number): void {
    const { definition, said, failure } = watch
    if (failure !== undefined) {
      const message = `analyser ${definition.name} failed for ${watch.subject}: ${messageOf(failure)}`
      throw new HeadraceError('analyser_failed', message, { cause: failure })
    }
    for (const { alert } of said.alerts.splice(0)) this.#rehearsed.alert(alert, definition)
    for (const { timeMs, value } of said.derived.splice(0)) {
      if (!definition.stream) continue
      const { source, topic } = definition.stream
      this.#rehearsed.derived(source, { timeMs, value: JSON.parse(value) })
      const sequence = this.#sequences.get(source) ?? 0
      this.#sequences.set(source, sequence + 1)
      this.record({ gateway: STREAM_GATEWAY, source }, topic, { sequence, timeMs, value: Buffer.from(value), headers: [] }, nowMs)
    }
  }
}
