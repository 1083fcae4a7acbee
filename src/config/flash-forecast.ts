import { kindOf } from './kind-of.ts'
import type { LoadedPipeline } from './load.ts'
import type { SourceConfig } from './pipeline.ts'

/*
  What a day writes to the disk, from what the configuration says. Measured with 50 sources and records of about 100 bytes, link and log keeping up, all
  pages counted that the kernel was given (write-ahead log, database, marks): 5.0 kB a commit with one record, 7.1 with two, 13.3 with ten of
  nine sources, 78.7 with five records of each of fifty. So: so much for each commit, for each source that has records in it, and for each byte.
*/
const COMMIT_BYTES = 4_000
const ROW_BYTES = 900
const WRITTEN_PER_BYTE = 1.1

const DAY_S = 86_400
/** A source whose options do not say how much it gives. */
const ASSUMED = { recordsPerSecond: 1, recordBytes: 100 } as const

export interface FlashForecast {
  readonly bytesPerDay: number
  readonly recordsPerSecond: number
  /** The shortest of all pipelines: commits are for all sources. */
  readonly durabilityMs: number
  /** Sources of which the rate is assumed. */
  readonly assumed: readonly string[]
  readonly assumption: string
}

export function forecastFlash(pipelines: readonly LoadedPipeline[]): FlashForecast {
  const sources = pipelines.flatMap(({ config }) =>
    Object.entries(config.sources).map(([source, options]) => ({ source, rate: rateOf(options) })),
  )
  const rates = sources.map(({ rate }) => rate ?? ASSUMED.recordsPerSecond)
  const recordsPerSecond = rates.reduce((sum, rate) => sum + rate, 0)
  const durabilityMs = Math.min(
    ...pipelines.filter(({ config }) => Object.keys(config.sources).length > 0).map(({ config }) => config.durability),
  )
  const commits = Math.min(recordsPerSecond, durabilityMs > 0 ? 1_000 / durabilityMs : Number.POSITIVE_INFINITY)
  const rows = rates.reduce((sum, rate) => sum + Math.min(rate, commits), 0)
  const bytes =
    commits * COMMIT_BYTES + rows * ROW_BYTES + Math.max(0, recordsPerSecond - rows) * ASSUMED.recordBytes * WRITTEN_PER_BYTE
  return {
    bytesPerDay: Math.round(bytes * DAY_S),
    recordsPerSecond,
    durabilityMs: Number.isFinite(durabilityMs) ? durabilityMs : 0,
    assumed: sources.filter(({ rate }) => rate === undefined).map(({ source }) => source),
    assumption: `${ASSUMED.recordsPerSecond} record a second of ${ASSUMED.recordBytes} bytes`,
  }
}

/** Records a second behind the steps, as far as the options say. */
function rateOf(source: SourceConfig): number | undefined {
  const { kind, options } = kindOf(source)
  const read = kind.rate?.(options)
  const thinned = source.steps.flatMap(step => Object.values(step as Readonly<Record<string, unknown>>)).map(everyOf)
  const rates = [read === 0 ? undefined : read, ...thinned].filter(rate => rate !== undefined)
  return rates.length === 0 ? undefined : Math.min(...rates)
}

/** A step that lets one record through in each `every`. */
function everyOf(step: unknown): number | undefined {
  const every = (step as { readonly every?: unknown } | null)?.every
  return typeof every === 'number' && every > 0 ? 1_000 / every : undefined
}
