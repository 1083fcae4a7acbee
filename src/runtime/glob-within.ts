import { existsSync, globSync } from 'node:fs'
import { resolve } from 'node:path'

/** The files that fit a pattern meant from a folder, in order. What the folder is called is no pattern, nor is the name of a file that is there. */
export function globWithin(pattern: string, folder: string): string[] {
  const whole = resolve(folder, pattern)
  if (existsSync(whole)) return [whole]
  return globSync(pattern, { cwd: folder })
    .map(each => resolve(folder, each))
    .sort()
}
