import { readFileSync } from 'node:fs'
import { fileReasonOf, HeadraceError } from '../runtime/errors.ts'

/** The text of a file that an option names; `-` is standard input. Throws `config_invalid` with option and file. */
export function readGiven(option: string, file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch (cause) {
    throw new HeadraceError('config_invalid', `${option} ${file} cannot be read: ${fileReasonOf(cause)}`, {
      advice: 'Look whether it is there, and who may read it.',
      cause,
    })
  }
}
