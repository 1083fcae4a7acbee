import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FieldFacts } from '../../record/fields.ts'
import { reckoned } from '../digits.ts'

/** Values that one look gives, by field name. */
export type Readings = Record<string, number>

/** Names in a folder; none where it is not there. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort()
  } catch {
    return []
  }
}

/** The text of an attribute; undefined where it is not there, or the driver has nothing to say now. */
export function textOf(...path: string[]): string | undefined {
  try {
    return readFileSync(join(...path), 'utf8').trim()
  } catch {
    return undefined
  }
}

export function numberOf(...path: string[]): number | undefined {
  const text = textOf(...path)
  const number = text === undefined || text === '' ? Number.NaN : Number(text)
  return Number.isFinite(number) ? number : undefined
}

/** A name as a field: lower-case letters, digits and _. */
export function fieldOf(...parts: string[]): string {
  return parts
    .join('_')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '')
}

/** Adds a value under a name that is free: two sensors of a kind may be named alike. */
export function add(readings: Readings, name: string, value: number | undefined, scale = 1): void {
  if (value === undefined) return
  let free = name
  for (let number = 2; Object.hasOwn(readings, free); number++) free = `${name}_${number}`
  readings[free] = reckoned(value * scale)
}

/** What the end of a field's name says of its unit, such as `hwmon_ina219_in1_v`. */
const UNITS: Readonly<Record<string, string>> = {
  c: '°C',
  v: 'V',
  a: 'A',
  w: 'W',
  j: 'J',
  percent: '%',
  rpm: 'rpm',
  bytes: 'B',
  ms: 'ms',
  s: 's',
}

/** What is known of a field by its name; a name that was given twice has a number behind it. */
export function factsOf(name: string): FieldFacts {
  const [, word = ''] = /_([a-z]+)(?:_\d+)?$/.exec(name) ?? []
  // What IIO gives is in the units of its documentation, and its channels' names are its own.
  const unit = name.startsWith('iio_') ? undefined : UNITS[word]
  return { type: 'number', ...(unit !== undefined && { unit }) }
}
