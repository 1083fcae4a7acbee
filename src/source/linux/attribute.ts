import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

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
  readings[free] = scale === 1 ? value : Number((value * scale).toPrecision(12))
}
