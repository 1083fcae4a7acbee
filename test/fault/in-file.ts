import { fileURLToPath } from 'node:url'
import type { ProcessChanges } from './plant.ts'

/** A gateway whose blocks lie in the file beside its database, however few records come. */
export const IN_FILE: ProcessChanges = {
  nodeArgs: ['--import', fileURLToPath(new URL('../support/blocks-in-file.ts', import.meta.url))],
}
