import { existsSync, readdirSync } from 'node:fs'
import { dirname, isAbsolute, resolve } from 'node:path'
import { globWithin } from '../runtime/glob-within.ts'

/** Signs of a pattern that mean more than "anything within one name". */
const MORE_THAN_NAMES = /[?[\]{}()!+@\\]|\*\*/

/** A configuration file, and the pipeline files that it names. */
export function filesOf(file: string, patterns: readonly string[]): string[] {
  const within = dirname(resolve(file))
  return [file, ...patterns.flatMap(pattern => filesLike(pattern, within))]
}

/**
 * What `globSync` gives, in order. It is asked for every second for years, and nearly always for `…/*.yaml`: that is one look into a folder, for which
 * Node's own needs a library and hundreds of calls.
 */
export function filesLike(pattern: string, within = '/'): string[] {
  const whole = isAbsolute(pattern) ? pattern : resolve(within, pattern)
  const at = whole.lastIndexOf('/')
  const folder = whole.slice(0, at)
  const name = whole.slice(at + 1)
  // What the folder is called that it is meant from is no pattern.
  const isMore = MORE_THAN_NAMES.test(pattern) || pattern.slice(0, Math.max(0, pattern.lastIndexOf('/'))).includes('*')
  if (isMore || name === '' || /\/\.{0,2}\//.test(`${whole}/`)) return globWithin(pattern, within)
  if (!name.includes('*')) return existsSync(whole) ? [whole] : []
  const like = new RegExp(`^${name.startsWith('*') ? '(?!\\.)' : ''}${name.split('*').map(escaped).join('.*')}$`, 's')
  return namesIn(folder === '' ? '/' : folder)
    .filter(each => like.test(each))
    .map(each => `${folder}/${each}`)
    .sort()
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    // Not there, or not to be read: nothing is like it.
    return []
  }
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
