import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'

/** In memory where the machine has such a folder: syncs cost nothing there. */
export function memoryFolder(): string {
  return existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
}
