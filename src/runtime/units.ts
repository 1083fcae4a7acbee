import { z } from 'zod'

const DURATION_UNITS_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const SIZE_UNITS_BYTES = { B: 1, kB: 1e3, KB: 1e3, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 } as const

function withUnit<U extends string>(text: string, units: Record<U, number>): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-zA-Z]+)$/.exec(text.trim())
  const factor = match && Object.hasOwn(units, match[2] as string) ? units[match[2] as U] : undefined
  return match && factor !== undefined ? Math.round(Number(match[1]) * factor) : undefined
}

/** `50ms`, `1s`, `5m`, `2h`, `7d` → ms; undefined where it is not one. `0` needs no unit. */
export function parseDurationMs(text: string): number | undefined {
  return text.trim() === '0' ? 0 : withUnit(text, DURATION_UNITS_MS)
}

/** `512B`, `64KiB`, `10MB`, `2GiB` → bytes; undefined where it is not one. `0` needs no unit. */
export function parseSizeBytes(text: string): number | undefined {
  return text.trim() === '0' ? 0 : withUnit(text, SIZE_UNITS_BYTES)
}

const DURATION_TEXT = /^\s*(0|\d+(\.\d+)?\s*(ms|s|m|h|d))\s*$/
const SIZE_TEXT = /^\s*(0|\d+(\.\d+)?\s*(B|kB|KB|MB|GB|KiB|MiB|GiB))\s*$/

const DURATION_WANTED = 'has to be a number with ms, s, m, h or d, such as 50ms'
const SIZE_WANTED = 'has to be a number with B, kB, MB, GB, KiB, MiB or GiB, such as 64KiB'

/** A duration in YAML: text with a unit outside, milliseconds inside. A bare 0 is taken as it is. */
export function duration(bounds: { min?: string; max?: string } = {}) {
  const min = parseDurationMs(bounds.min ?? '0') ?? 0
  const max = parseDurationMs(bounds.max ?? '3650d') ?? 0
  return z
    .union([z.string().regex(DURATION_TEXT, DURATION_WANTED), z.literal(0)], DURATION_WANTED)
    .transform(text => parseDurationMs(String(text)) ?? 0)
    .refine(ms => ms >= min && ms <= max, `must lie between ${bounds.min ?? '0'} and ${bounds.max ?? '3650d'}`)
}

/** A size in YAML: text with a unit outside, bytes inside. */
export function size(bounds: { min?: string; max?: string } = {}) {
  const min = parseSizeBytes(bounds.min ?? '0') ?? 0
  const max = parseSizeBytes(bounds.max ?? '1000000GiB') ?? 0
  return z
    .union([z.string().regex(SIZE_TEXT, SIZE_WANTED), z.literal(0)], SIZE_WANTED)
    .transform(text => parseSizeBytes(String(text)) ?? 0)
    .refine(bytes => bytes >= min && bytes <= max, `must lie between ${bounds.min ?? '0'} and ${bounds.max ?? '1000000GiB'}`)
}

/** Milliseconds as a person would write them. */
export function durationText(ms: number): string {
  return withLargestUnit(ms, DURATION_UNITS_MS)
}

/** Bytes as a person would write them. */
export function sizeText(bytes: number): string {
  const { B, KiB, MiB, GiB } = SIZE_UNITS_BYTES
  return withLargestUnit(bytes, { B, KiB, MiB, GiB })
}

function withLargestUnit(value: number, units: Readonly<Record<string, number>>): string {
  if (value === 0) return '0'
  const [name = '', factor = 1] = Object.entries(units).findLast(([, each]) => value % each === 0) ?? []
  return `${value / factor}${name}`
}

/** Whether a JSON Schema's pattern is that of a duration. */
export function isDurationPattern(pattern: string): boolean {
  return pattern === DURATION_TEXT.source
}

export function isSizePattern(pattern: string): boolean {
  return pattern === SIZE_TEXT.source
}
