import { fileURLToPath } from 'node:url'
import type { ProcessChanges } from '../plant.ts'

/** Protections that can be switched off in a whole process. */
export type Broken = 'fsync' | 'marks' | 'offset'

const PROGRAM = fileURLToPath(new URL('./program.ts', import.meta.url))

/** What makes a process of a plant one without this protection. */
export function without(protection: Broken): ProcessChanges {
  return { entry: PROGRAM, argsBefore: [protection] }
}
