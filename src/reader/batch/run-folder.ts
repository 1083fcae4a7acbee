import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import { open, rm, writeFile } from 'node:fs/promises'
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

  readonly #run: string

  constructor(final: string, run: string) {
    this.final = final
    this.#run = run
    const name = basename(final)
    // Two runs may mean to appear in one place: then they must not work in one.
    this.working = join(dirname(final), name.includes(run) ? `.${name}${PARTIAL}` : `.${name}.${run}${PARTIAL}`)
  }

  /** Begins anew: what an attempt before left is gone. Rejects where the directory belongs to another run. */
  async begin(): Promise<void> {
    this.#checkFree()
    await rm(this.working, { recursive: true, force: true })
    mkdirSync(this.working, { recursive: true })
  }

  #checkFree(): void {
    const standing = this.manifest()
    if (!existsSync(this.final) || standing?.run === this.#run) return
    throw new HeadraceError(
      'command_failed',
      `${this.final} is there already and ${standing ? `belongs to run ${standing.run}` : 'is none of a run'}`,
      { advice: 'Put {run_id} in run_directory, or move what is there.' },
    )
  }

  /** The manifest of the directory that is there; undefined where there is none. */
  manifest(): Manifest | undefined {
    try {
      return JSON.parse(readFileSync(join(this.final, MANIFEST), 'utf8')) as Manifest
    } catch {
      return undefined
    }
  }

  /** What the run left is on disk, and its manifest, before the name is. Output may be large: the process does not stand still meanwhile. */
  async writeManifest(manifest: Manifest): Promise<void> {
    const path = join(this.working, MANIFEST)
    await writeFile(path, `${JSON.stringify(manifest, null, 2)}\n`)
    for (const file of filesIn(this.working)) await sync(join(this.working, file))
    await sync(this.working)
  }

  /** The name is on disk when this resolves. Rejects where another run has appeared there meanwhile. */
  async publish(): Promise<void> {
    const replaced = `${this.working.slice(0, -PARTIAL.length)}${REPLACED}`
    await rm(replaced, { recursive: true, force: true })
    this.#checkFree()
    if (existsSync(this.final)) renameSync(this.final, replaced)
    renameSync(this.working, this.final)
    await sync(dirname(this.final))
    await rm(replaced, { recursive: true, force: true })
  }
}

/** Every file below a directory, as paths within it, in order. Links to directories are not followed: they may lead anywhere, and in circles. */
export function filesIn(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true })
    .flatMap(entry => {
      const path = join(directory, entry.name)
      if (entry.isDirectory()) return filesIn(path).map(name => join(entry.name, name))
      return entry.isFile() || (entry.isSymbolicLink() && isFileBehind(path)) ? [entry.name] : []
    })
    .sort()
}

/** A link that leads nowhere, or to itself, is no file. */
function isFileBehind(link: string): boolean {
  try {
    return statSync(link).isFile()
  } catch {
    return false
  }
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
