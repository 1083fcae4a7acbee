import { globSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { loadEdge } from '../config/load.ts'
import type { Clock, Timer } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import type { EdgeProcess } from './edge-process.ts'

/** How often the files are looked at, ms. */
const LOOK_EVERY_MS = 1_000

/**
 * Takes over changed pipeline files: on SIGHUP, or when a file has changed and then stayed the same for a second, since an editor may write it in pieces.
 * Files that are wrong are refused as a whole: what runs goes on as it is, and an alarm says why.
 */
export class PipelineReload {
  readonly #file: string
  readonly #edge: EdgeProcess
  readonly #clock: Clock
  readonly #log: Logger
  readonly #onSignal = () => this.#reloadLater()
  #last: Promise<void> = Promise.resolve()
  #timer: Timer | undefined
  #taken: string
  #seen: string
  #isOver = false

  constructor(options: { file: string; edge: EdgeProcess; clock: Clock; log: Logger }) {
    this.#file = options.file
    this.#edge = options.edge
    this.#clock = options.clock
    this.#log = options.log
    this.#taken = this.#fingerprint()
    this.#seen = this.#taken
    process.on('SIGHUP', this.#onSignal)
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
      const { config, pipelines } = loadEdge(this.#file)
      await this.#edge.reload(config, pipelines)
    } catch (error) {
      this.#edge.refused(messageOf(error))
      this.#log.error({}, `the changed configuration is refused, and the one before goes on: ${messageOf(error)}`)
    }
  }

  /** Changes whenever a file does that the configuration is made of, or another comes or goes. */
  #fingerprint(): string {
    const folder = dirname(resolve(this.#file))
    const patterns = this.#edge.pipelinePatterns.map(pattern => resolve(folder, pattern))
    return [this.#file, ...patterns.flatMap(pattern => globSync(pattern).sort())].map(factsOf).join('\n')
  }
}

function factsOf(file: string): string {
  try {
    const { ino, mtimeMs, size } = statSync(file)
    return `${file} ${ino} ${mtimeMs} ${size}`
  } catch {
    return `${file} is not there`
  }
}
