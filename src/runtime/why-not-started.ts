import { existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'

/** Why a program could not be started in `folder`. The system says no more than that something was not there. */
export function whyNotStarted(program: string, folder: string, cause: NodeJS.ErrnoException): string {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return `its working directory ${folder} is not there`
  const path = resolve(folder, program)
  if (cause.code === 'EACCES') return `${path} may not be executed (chmod +x)`
  if (cause.code !== 'ENOENT') return cause.message
  if (!program.includes('/')) return `no program "${program}" is in PATH`
  return existsSync(path) ? `what the first line of ${path} names is not there` : `${path} is not there`
}
