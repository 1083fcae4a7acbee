import type { z } from 'zod'
import type { SourceId } from '../runtime/names.ts'

/** A record as an analyser sees it. */
export interface Sample {
  readonly source: SourceId
  readonly sequence: number
  readonly timeMs: number
  /** The decoded JSON where the value is some, else undefined. */
  readonly fields: Readonly<Record<string, unknown>> | undefined
  readonly value: Buffer | null
}

export interface Alert {
  /** Equal for the same alert found again after a restart: the receiver's way to know a repeat. */
  readonly key: string
  readonly analyser: string
  readonly source: SourceId
  readonly state: 'raised' | 'cleared'
  readonly timeMs: number
  readonly message: string
  readonly values: Readonly<Record<string, number>>
}

/** A running analyser: pure but for what it is handed. The same samples in the same order give the same alerts. */
export interface Analyser {
  /** Takes a sample; returns what is to be said because of it. */
  sample(sample: Sample): Alert[]
  /** Wall clock's tick, so that silence is noticed as well. */
  tick(nowMs: number): Alert[]
  /** State as JSON, kept together with the offsets it stands at. */
  snapshot(): unknown
  restore(snapshot: unknown): void
}

/** One kind of analyser: schema, defaults, documentation and constructor in one place. */
export interface AnalyserKind<Schema extends z.ZodObject = z.ZodObject> {
  readonly kind: string
  /** The key whose presence in a pipeline file says that this kind is meant. */
  readonly marker: string
  readonly summary: string
  readonly options: Schema
  open(name: string, options: z.output<Schema>): Analyser
}

/** Keeps the options' type while kinds are listed together. */
export function defineAnalyser<Schema extends z.ZodObject>(kind: AnalyserKind<Schema>): AnalyserKind<Schema> {
  return kind
}
