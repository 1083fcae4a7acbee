import { existsSync, globSync, readdirSync } from 'node:fs'
import { dirname, isAbsolute, resolve } from 'node:path'

/** Signs of a pattern that mean more than "anything within one name". */
const MORE_THAN_NAMES = /[?[\]{}()!+@\\]|\*\*/

/** A configuration file, and the pipeline files that it names. */
export function filesOf(file: string, patterns: readonly string[]): string[] {
  return [
    file,
    ...patterns.flatMap(pattern => filesLike(isAbsolute(pattern) ? pattern : resolve(dirname(resolve(file)), pattern))),
  ]
}

/**
 * What `globSync` gives, in order. It is asked for every second for years, and nearly always for `…/*.yaml`: that is one look into a folder, for which
 * Node's own needs a library and hundreds of calls.
 */
export function filesLike(pattern: string): string[] {
  const at = pattern.lastIndexOf('/')
  const folder = pattern.slice(0, at)
  const name = pattern.slice(at + 1)
  if (MORE_THAN_NAMES.test(pattern) || folder.includes('*') || name === '' || /\/\.{0,2}\//.test(`${pattern}/`))
    return globSync(pattern).sort()
  if (!name.includes('*')) return existsSync(pattern) ? [pattern] : []
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
