import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const SIZE_MIB = 48

/**
 * A disk that loses power: a real ext4 on a file. What a program has synced is in the file; the rest lies in the system's memory, and is gone when the
 * file is mounted anew from a copy. Needs root.
 */
export class DiskWithPowerCuts {
  readonly path: string
  readonly #folder = mkdtempSync(join(tmpdir(), 'headrace-power-'))

  constructor() {
    this.path = join(this.#folder, 'mnt')
    mkdirSync(this.path)
    execFileSync('truncate', ['-s', `${SIZE_MIB}M`, this.#image])
    execFileSync('mkfs.ext4', ['-q', '-F', this.#image])
    this.#mount()
  }

  /** Nobody may be using it any more: kill them first. */
  cutPower(): void {
    copyFileSync(this.#image, `${this.#image}.cut`)
    execFileSync('umount', ['-l', this.path])
    renameSync(`${this.#image}.cut`, this.#image)
    this.#mount()
  }

  remove(): void {
    execFileSync('umount', ['-l', this.path])
    rmSync(this.#folder, { recursive: true, force: true })
  }

  get #image(): string {
    return join(this.#folder, 'image')
  }

  /** With a journal that is written every five minutes unless somebody syncs: nothing gets to the disk by itself. */
  #mount(): void {
    execFileSync('mount', ['-o', 'loop,commit=300', this.#image, this.path])
  }
}
