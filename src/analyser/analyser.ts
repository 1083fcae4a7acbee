import type { z } from 'zod'
import type { FieldFacts, Fields } from '../record/fields.ts'
import type { Gap } from '../record/record.ts'
import { type SourceId, sourceKey } from '../runtime/names.ts'
import type { SampleRun } from './sample-run.ts'

/** A record as an analyser sees it. */
export interface Sample {
  readonly source: SourceId
  /** `<gateway>/<source>`, made once for each source. */
  readonly key: string
  readonly sequence: number
  readonly timeMs: number
  /** Wall clock when it was read, ms; what lies far ahead of it was stamped by a clock that is wrong. */
  readonly nowMs: number
  /** The decoded JSON where the value is a mapping, else undefined. */
  readonly fields: Readonly<Record<string, unknown>> | undefined
  /** Types and units of the source's fields, as far as they are known now. */
  readonly facts: Fields
  readonly value: Buffer | null
  /** What the record says is missing before it, or in its place. */
  readonly gap: Gap | undefined
}

/** `noted` is said of what happened and is over; the others come in turn. */
export type AlertState = 'raised' | 'cleared' | 'noted'

export interface Alert {
  /** Equal for the same alert told again: the receiver's way to know a repeat. */
  readonly key: string
  readonly analyser: string
  /** Null where it is about all sources together. */
  readonly source: SourceId | null
  readonly state: AlertState
  readonly timeMs: number
  readonly message: string
  readonly values: Readonly<Record<string, number>>
  /** Units of the values, where they are known; absent where none is. */
  readonly units?: Units
}

/** Units of values, by the values' names. */
export type Units = Readonly<Record<string, string>>

/** The units of an alert; nothing where there are none. */
export function withUnits(units: Readonly<Record<string, string | undefined>>): { units?: Units } {
  const known = Object.entries(units).filter((each): each is [string, string] => each[1] !== undefined)
  return known.length === 0 ? {} : { units: Object.fromEntries(known) }
}

/** A record that an analyser makes; it gets its number when it is kept. */
export interface Derived {
  readonly timeMs: number
  /** Goes out as JSON. */
  readonly value: unknown
}

/** What an analyser has to say. */
export interface Output {
  alert(alert: Alert): void
  record(record: Derived): void
  /** The analyser has no derived stream: its records go nowhere, and need not be made. */
  readonly dropsRecords?: boolean
}

/**
 * What one analyser knows of one source, or of all its sources together. Pure but for what it is handed: the same samples and ticks in the
 * same order say the same.
 */
export interface Watch {
  sample(sample: Sample, out: Output): void
  /** Takes all of these at once, where that leaves it as {@link sample} for each would; false: it took none. */
  run?(run: SampleRun, out: Output): boolean
  /** The wall clock, while all that is in the log has been read: so that silence and the end of a window are noticed as well. */
  tick(nowMs: number, out: Output): void
  /** State as JSON, kept together with the offsets it stands at. */
  snapshot(): unknown
  restore(snapshot: unknown): void
  /** Records that came too late for every window they belong to. */
  readonly late?: number
  /** Records that left a window before their time, because it was full. */
  readonly cut?: number
}

/** What a watch is about: a source, or all of an analyser's sources together. */
export interface Subject {
  /** The analyser's name in its pipeline. */
  readonly analyser: string
  /** Name that no other analyser of any pipeline has: `<pipeline>.<analyser>`. */
  readonly id: string
  /** Null: all sources together. */
  readonly source: SourceId | null
  /** The unit of a field as it is known now, where it is one for all that the watch sees. */
  readonly unitOf: (field: string) => string | undefined
}

/** `<gateway>/<source>`, or `*` for all sources together. */
export function subjectKey(source: SourceId | null): string {
  return source ? sourceKey(source) : '*'
}

/** As a person reads it. */
export function subjectName(source: SourceId | null): string {
  return source ? sourceKey(source) : 'all sources together'
}

export type Analyser = (subject: Subject) => Watch

/** What is known of a field of the records that an analyser reads; empty where nothing is. */
export type FactsOf = (field: string) => FieldFacts

/** One kind of analyser: schema, defaults, documentation and constructor in one place. */
export interface AnalyserKind<Schema extends z.ZodType = z.ZodType> {
  readonly kind: string
  /** Keys of which one in a pipeline file says that this kind is meant. */
  readonly markers: readonly string[]
  readonly summary: string
  readonly options: Schema
  /** All fields of the records that it makes of each source or of all, in their order, and what is known of them; absent where they may have any. */
  fieldsOf?(options: z.output<Schema>, per: 'source' | 'all', factsOf: FactsOf): Fields
  open(options: z.output<Schema>): Analyser
}

/** Keeps the options' type while kinds are listed together. */
export function defineKind<Schema extends z.ZodType>(kind: AnalyserKind<Schema>): AnalyserKind<Schema> {
  return kind
}
