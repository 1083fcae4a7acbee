import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const FILL_STEP_BYTES = 64 * 1024

/** A file system of its own, small, in memory: it can be full, or read-only, without hurting anybody. Needs root. */
export class SmallFileSystem {
  readonly path: string

  constructor(sizeKib: number) {
    this.path = mkdtempSync(join(tmpdir(), 'headrace-disk-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeKib}k`, 'headrace-test', this.path])
  }

  /** Leaves no room, to the last page. */
  fill(): void {
    for (const bytes of [FILL_STEP_BYTES, 4_096, 1]) {
      try {
        for (;;) writeFileSync(this.#filler, Buffer.alloc(bytes), { flag: 'a' })
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      }
    }
  }

  empty(): void {
    rmSync(this.#filler, { force: true })
  }

  /** Nothing may have a file open for writing. */
  readOnly(): void {
    execFileSync('mount', ['-o', 'remount,ro', this.path])
  }

  writable(): void {
    execFileSync('mount', ['-o', 'remount,rw', this.path])
  }

  unmount(): void {
    execFileSync('umount', ['-l', this.path])
    rmSync(this.path, { recursive: true, force: true })
  }

  get #filler(): string {
    return join(this.path, 'filler')
  }
}
