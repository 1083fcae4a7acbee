import { statSync } from 'node:fs'
import type { Clock, Timer } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'

/** How often the files are looked at, ms. */
const LOOK_EVERY_MS = 1_000

/** The alarm of a process whose changed files are wrong. */
export const CONFIG_REFUSED = 'config_refused'

export function configRefused(why: string) {
  return {
    message: `The changed configuration is refused, and the one before goes on: ${why}`,
    advice: 'Correct the file; it is taken over as soon as it is right. `headrace validate` says the same.',
  }
}

/** A process whose pipelines may change. */
export interface Reloadable {
  /** The files that it is made of now. */
  files(): readonly string[]
  /** Reads them and takes them over; rejects, and leaves all as it is, where they are wrong. */
  reload(): Promise<unknown>
  /** They are wrong, and what runs goes on. */
  refused(why: string): void
}

/**
 * What happens while a process starts, kept for {@link PipelineReload}: a SIGHUP, which would end it, and how the files were when they were read; a core
 * that waits for Kafka takes two minutes, and what changed meanwhile would be noticed at its next change only.
 */
export class EarlyHangup {
  readonly #onSignal = () => {
    this.#came = true
  }
  #came = false
  #loaded: string | undefined

  constructor() {
    process.on('SIGHUP', this.#onSignal)
  }

  /** These files are read now, for the first time. */
  loaded(files: readonly string[]): void {
    this.#loaded = fingerprintOf(files)
  }

  /** As they were then; undefined where nobody said so. */
  get taken(): string | undefined {
    return this.#loaded
  }

  /** Whether one came. */
  end(): boolean {
    process.off('SIGHUP', this.#onSignal)
    return this.#came
  }
}

/**
 * Takes over changed pipeline files: on SIGHUP, or when a file has changed and then stayed the same for a second, since an editor may write it in pieces.
 * Files that are wrong are refused as a whole: what runs goes on as it is, and an alarm says why.
 */
export class PipelineReload {
  readonly #of: Reloadable
  readonly #clock: Clock
  readonly #log: Logger
  readonly #onSignal = () => this.#reloadLater()
  #last: Promise<void> = Promise.resolve()
  #timer: Timer | undefined
  #taken: string
  #seen: string
  #isOver = false

  constructor(of: Reloadable, clock: Clock, log: Logger, early: EarlyHangup) {
    this.#of = of
    this.#clock = clock
    this.#log = log
    this.#seen = this.#fingerprint()
    this.#taken = early.taken ?? this.#seen
    process.on('SIGHUP', this.#onSignal)
    if (early.end()) this.#reloadLater()
    this.#lookLater()
  }

  async end(): Promise<void> {
    this.#isOver = true
    process.off('SIGHUP', this.#onSignal)
    this.#timer?.cancel()
    await this.#last
  }

  #lookLater(): void {
    if (!this.#isOver) this.#timer = this.#clock.after(LOOK_EVERY_MS, () => this.#look(), 'background')
  }

  #look(): void {
    const now = this.#fingerprint()
    const isSettled = now === this.#seen
    this.#seen = now
    if (isSettled && now !== this.#taken) this.#reloadLater()
    this.#lookLater()
  }

  /** One at a time, in order. */
  #reloadLater(): void {
    this.#taken = this.#fingerprint()
    this.#last = this.#last.then(() => this.#reload())
  }

  async #reload(): Promise<void> {
    if (this.#isOver) return
    try {
      await this.#of.reload()
    } catch (error) {
      this.#of.refused(messageOf(error))
      this.#log.error({}, `the changed configuration is refused, and the one before goes on: ${messageOf(error)}`)
    }
  }

  /** Changes whenever a file does that the configuration is made of, or another comes or goes. */
  #fingerprint(): string {
    return fingerprintOf(this.#of.files())
  }
}

function fingerprintOf(files: readonly string[]): string {
  return files.map(factsOf).join('\n')
}

function factsOf(file: string): string {
  try {
    const { ino, mtimeMs, size } = statSync(file)
    return `${file} ${ino} ${mtimeMs} ${size}`
  } catch {
    return `${file} is not there`
  }
}
