import type { Fields } from '../record/fields.ts'
import { parseSourceKey, type SourceId, sourceKey } from '../runtime/names.ts'
import { type Output, subjectKey, type Watch } from './analyser.ts'
import { openModule } from './module.ts'

/*
  What a module of an analyser is written against: `import { defineAnalyser } from 'headrace/analyser'`. State is JSON, so that it can be kept;
  everything happens in the order of the records, and nothing else may enter: then the same records say the same again after a crash.
*/

/** A record as a module sees it. */
export interface AnalyserRecord {
  readonly gateway: string
  readonly source: string
  readonly sequence: number
  /** Event time, ms since 1970. */
  readonly timeMs: number
  /** The decoded JSON; undefined where the value is none. */
  readonly fields: Readonly<Record<string, unknown>> | undefined
  /** What is known of the fields when the record is read: `record.facts['oil_c']?.unit`. Empty where nothing is. */
  readonly facts: Fields
  /** The bytes as they are in the log. */
  readonly value: Buffer
}

export interface AnalyserContext {
  /** The record's time, or the timer's. */
  readonly timeMs: number
  /** Says something: to the sinks of `alert:` in the pipeline file, to the log, and to `status`. */
  alert(alert: {
    readonly state?: 'raised' | 'cleared' | 'noted'
    readonly message: string
    readonly values?: Readonly<Record<string, number>>
  }): void
  /** Adds a record, as JSON, to the derived stream that `stream:` names. */
  emit(value: unknown, timeMs?: number): void
  /** Calls `onTimer` when event time has come to `atMs`, or the clock where no record comes; setting it again moves it. */
  setTimer(name: string, atMs: number): void
  clearTimer(name: string): void
}

export interface AnalyserModule<State = unknown> {
  /** The state before the first record: JSON. One for each source, or one for all together with `per: all`. */
  readonly initial: () => State
  onRecord(record: AnalyserRecord, state: State, context: AnalyserContext): void
  onTimer?(name: string, state: State, context: AnalyserContext): void
}

/** An analyser of your own, typed by its state. */
export function defineAnalyser<State>(module: AnalyserModule<State>): AnalyserModule<State> {
  return module
}

/** What an analyser said while it was driven. */
export interface Said {
  readonly alerts: {
    readonly source: string
    readonly state: string
    readonly timeMs: number
    readonly message: string
    readonly values: object
  }[]
  readonly records: { readonly timeMs: number; readonly value: unknown }[]
}

/** Drives an analyser without a server, one source or several: for tests of your own. */
export interface AnalyserDriver {
  /** Everything that was said so far. */
  readonly said: Said
  /** A record: a mapping becomes its JSON, text and bytes stay as they are. Sources are `<gateway>/<source>`, or just a source. */
  record(timeMs: number, value: object | string | Buffer, source?: string): AnalyserDriver
  /** The clock, where no record comes: timers that are due are called. */
  advance(nowMs: number): AnalyserDriver
  /** Ends it and begins it anew from what would have been kept: nothing that it knows may be lost by that. */
  restart(): AnalyserDriver
  /** The state of a source, or of all together. */
  state(source?: string): unknown
}

/** `facts`: what its records know of their fields, from every source. */
export function driveAnalyser(
  module: AnalyserModule<never> | AnalyserModule,
  options: { per?: 'source' | 'all'; facts?: Fields } = {},
): AnalyserDriver {
  const open = openModule(module as AnalyserModule)
  const watches = new Map<string, Watch>()
  const sequences = new Map<string, number>()
  const said: Said = { alerts: [], records: [] }
  const { facts = {} } = options
  const unitOf = (field: string) => facts[field]?.unit
  const subject = (id: SourceId): SourceId | null => (options.per === 'all' ? null : id)
  const watchOf = (about: SourceId | null): Watch => {
    const key = subjectKey(about)
    const watch = watches.get(key) ?? open({ analyser: 'driven', id: 'driven', source: about, unitOf })
    watches.set(key, watch)
    return watch
  }
  const out: Output = {
    alert: ({ source, state, timeMs, message, values }) => {
      said.alerts.push({ source: subjectKey(source), state, timeMs, message, values })
    },
    record: record => {
      said.records.push(record)
    },
  }
  const driver: AnalyserDriver = {
    said,
    record(timeMs, value, name = 'source') {
      const source = parseSourceKey(name) ?? { gateway: 'gateway', source: name }
      const key = sourceKey(source)
      const sequence = sequences.get(key) ?? 0
      sequences.set(key, sequence + 1)
      const isBytes = Buffer.isBuffer(value)
      const bytes = isBytes ? value : Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
      const fields = typeof value === 'object' && !isBytes ? (value as Record<string, unknown>) : undefined
      const sample = { source, key, sequence, timeMs, nowMs: timeMs, fields, facts, value: bytes, gap: undefined }
      watchOf(subject(source)).sample(sample, out)
      return driver
    },
    advance(nowMs) {
      for (const watch of watches.values()) watch.tick(nowMs, out)
      return driver
    },
    restart() {
      for (const [key, watch] of watches) {
        const kept: unknown = JSON.parse(JSON.stringify(watch.snapshot()))
        const again = open({ analyser: 'driven', id: 'driven', source: parseSourceKey(key) ?? null, unitOf })
        again.restore(kept)
        watches.set(key, again)
      }
      return driver
    },
    state(name = 'source') {
      const about = subject(parseSourceKey(name) ?? { gateway: 'gateway', source: name })
      return (watches.get(subjectKey(about))?.snapshot() as { state: unknown } | undefined)?.state
    },
  }
  return driver
}
