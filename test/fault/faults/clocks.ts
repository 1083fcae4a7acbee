import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import type { ProcessChanges } from '../plant.ts'

export const CLOCK_FILE_VARIABLE = 'HEADRACE_TEST_CLOCK'
const PRELOAD = fileURLToPath(new URL('./clock-preload.ts', import.meta.url))

/** A wall clock that can be set wrong; a process takes it as it is when it starts. */
export class WrongClock {
  readonly changes: ProcessChanges
  readonly #file: string

  constructor(shiftMs = 0) {
    this.#file = join(temporaryFolder('clock'), 'shift')
    this.set(shiftMs)
    this.changes = { nodeArgs: ['--import', PRELOAD], env: { [CLOCK_FILE_VARIABLE]: this.#file } }
  }

  /** How far it is off from now on, ms. */
  set(shiftMs: number): void {
    writeFileSync(this.#file, String(shiftMs))
  }
}
