import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DATABASE_FILES } from '../../src/buffer/database-files.ts'
import { openInlineStore } from '../../src/buffer/inline-store.ts'
import type { Commit, CommitResult } from '../../src/buffer/store-calls.ts'
import type { AsyncStore, StoreOptions } from '../../src/buffer/store-thread.ts'
import { type Clock, pause } from '../../src/runtime/clock.ts'
import { HeadraceError } from '../../src/runtime/errors.ts'
import type { SimulatedProcess } from './simulated-process.ts'

/** In memory where the machine has such a folder: syncs cost nothing there, and what a power cut takes is decided here anyway. */
const FOLDER = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
const KEPT_FILES = [...DATABASE_FILES, 'marks.json', 'identity.json']

export interface CommitTrap {
  /** Commits until it springs. */
  after: number
  readonly at: 'before' | 'between' | 'after'
  /** What happens then; throws what the caller of the commit gets. */
  readonly spring: () => never
}

/**
 * The gateway's state directory, over the lives of its processes: the real files of the real store. A process that is killed leaves them as they are
 * on disk; the next one opens a copy.
 */
export class GatewayDisk {
  readonly #root = mkdtempSync(join(FOLDER, 'headrace-simulation-'))
  readonly traps: CommitTrap[] = []
  /** How long a commit takes, ms. */
  latencyMs = 1
  folder: string
  readonly #clock: Clock
  #lives = 0
  #copy: string | undefined

  constructor(clock: Clock) {
    this.#clock = clock
    this.folder = this.#newFolder()
  }

  /** What a process works with: to be handed in as `openStore`. */
  store(process: SimulatedProcess, options: StoreOptions): AsyncStore {
    const real = openInlineStore(options)
    const live =
      <T>(work: () => Promise<T>) =>
      async () => {
        if (!process.alive) throw new HeadraceError('internal', 'the process is dead')
        return work()
      }
    return {
      opened: real.opened,
      commit: async commit => (process.alive ? this.#commit(process, real, commit) : nothing(real, commit)),
      read: ids => live(() => real.read(ids))(),
      scan: (after, limit) => live(() => real.scan(after, limit))(),
      index: live(() => real.index()),
      close: () => real.close(),
    }
  }

  /** The process is gone: what is on disk now is what the next one finds. */
  leave(): void {
    const left = this.#newFolder()
    copy(this.folder, left)
    this.folder = left
  }

  loseDatabase(): void {
    for (const file of DATABASE_FILES) rmSync(join(this.folder, file), { force: true })
  }

  /** Somebody makes a backup. */
  backUp(): void {
    this.#copy = this.#newFolder()
    copy(this.folder, this.#copy)
  }

  /** False where there is none. */
  restore(): boolean {
    if (this.#copy === undefined) return false
    this.folder = this.#newFolder()
    copy(this.#copy, this.folder)
    return true
  }

  remove(): void {
    rmSync(this.#root, { recursive: true, force: true })
  }

  async #commit(process: SimulatedProcess, real: AsyncStore, commit: Commit): Promise<CommitResult> {
    await this.#takesTime(process)
    const sprung = this.#sprung()
    sprung('before')
    // As the store does it: the marks first, synced, then the database.
    if (commit.marks !== undefined) await real.commit({ steps: [], marks: commit.marks })
    sprung('between')
    const result = await real.commit({ steps: commit.steps })
    sprung('after')
    await this.#takesTime(process)
    return result
  }

  async #takesTime(process: SimulatedProcess): Promise<void> {
    if (this.latencyMs > 0) await pause(this.#clock, this.latencyMs / 2)
    if (!process.alive) throw new HeadraceError('internal', 'the process is dead')
  }

  /** Counts a commit, and gives what springs the traps that are set for it. */
  #sprung(): (at: CommitTrap['at']) => void {
    for (const trap of this.traps) trap.after -= 1
    const trap = this.traps.find(({ after }) => after <= 0)
    if (trap) this.traps.splice(this.traps.indexOf(trap), 1)
    return at => {
      if (trap?.at === at) trap.spring()
    }
  }

  #newFolder(): string {
    const folder = join(this.#root, `life-${this.#lives++}`)
    mkdirSync(folder)
    return folder
  }
}

/** A dead process that goes on closing its files changes nothing. */
function nothing(real: AsyncStore, { steps }: Commit): CommitResult {
  return { results: steps.map(() => ({ kind: 'done' })), disk: real.opened.disk }
}

function copy(from: string, to: string): void {
  for (const file of readdirSync(from)) if (KEPT_FILES.includes(file)) copyFileSync(join(from, file), join(to, file))
}
