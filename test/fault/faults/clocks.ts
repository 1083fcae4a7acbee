import { randomUUID } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ProcessChanges } from '../plant.ts'

/** How far a clock is off, ms; or a file that says so, and is not there while it is right. */
export const CLOCK_VARIABLE = 'HEADRACE_TEST_CLOCK'
const PRELOAD = fileURLToPath(new URL('./clock-preload.ts', import.meta.url))

/** A process with a clock that is off for as long as it lives. */
export function clockOffBy(shiftMs: number): ProcessChanges {
  return changesFor(String(shiftMs))
}

/** A wall clock that can be set wrong, and right again; a process takes it as it is when it starts. */
export class WrongClock {
  readonly changes: ProcessChanges
  readonly #file: string

  constructor(file: string = join(tmpdir(), `headrace-clock-${randomUUID()}`)) {
    this.#file = file
    this.changes = changesFor(file)
  }

  /** How far it is off from now on, ms. */
  set(shiftMs: number): void {
    if (shiftMs === 0) rmSync(this.#file, { force: true })
    else writeFileSync(this.#file, String(shiftMs))
  }
}

function changesFor(clock: string): ProcessChanges {
  return { nodeArgs: ['--import', PRELOAD], env: { [CLOCK_VARIABLE]: clock } }
}
