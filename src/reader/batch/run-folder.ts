import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { HeadraceError } from '../../runtime/errors.ts'
import type { Manifest } from './manifest.ts'

export const MANIFEST = 'manifest.json'
const PARTIAL = '.partial'
const REPLACED = '.replaced'

/**
 * The directory of one run. Until it is done it has another name, beginning with a dot and ending in `.partial`; it gets its own by one rename,
 * with its manifest in it: whoever sees it sees all of it.
 */
export class RunFolder {
  /** Where it appears. */
  readonly final: string
  /** Where the command works. */
  readonly working: string

  constructor(final: string) {
    this.final = final
    this.working = join(dirname(final), `.${basename(final)}${PARTIAL}`)
  }

  /** Begins anew: what an attempt before left is gone. Rejects where the directory belongs to another run. */
  begin(run: string): void {
    const standing = this.manifest()
    if (existsSync(this.final) && standing?.run !== run) {
      throw new HeadraceError(
        'command_failed',
        `${this.final} is there already and ${standing ? `belongs to run ${standing.run}` : 'is none of a run'}`,
        { advice: 'Put {run_id} in run_directory, or move what is there.' },
      )
    }
    rmSync(this.working, { recursive: true, force: true })
    mkdirSync(this.working, { recursive: true })
  }

  /** The manifest of the directory that is there; undefined where there is none. */
  manifest(): Manifest | undefined {
    try {
      return JSON.parse(readFileSync(join(this.final, MANIFEST), 'utf8')) as Manifest
    } catch {
      return undefined
    }
  }

  /** The manifest is on disk before the name is; the name is on disk when this returns. */
  writeManifest(manifest: Manifest): void {
    const path = join(this.working, MANIFEST)
    writeFileSync(path, `${JSON.stringify(manifest, null, 2)}\n`)
    for (const file of filesIn(this.working)) sync(join(this.working, file))
    sync(this.working)
  }

  publish(): void {
    const replaced = `${this.working.slice(0, -PARTIAL.length)}${REPLACED}`
    rmSync(replaced, { recursive: true, force: true })
    if (existsSync(this.final)) renameSync(this.final, replaced)
    renameSync(this.working, this.final)
    sync(dirname(this.final))
    rmSync(replaced, { recursive: true, force: true })
  }
}

/** Every file below a directory, as paths within it, in order. */
export function filesIn(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter(name => statSync(join(directory, name), { throwIfNoEntry: false })?.isFile())
    .sort()
}

function sync(path: string): void {
  const file = openSync(path, 'r')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}
