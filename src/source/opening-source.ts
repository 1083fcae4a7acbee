import { Backoff } from '../runtime/backoff.ts'
import { pause } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import { LoopingSource } from './looping-source.ts'
import type { SourceContext } from './source.ts'

/** Between two attempts to listen, ms. */
const AGAIN_AFTER = { firstMs: 250, maxMs: 15_000 }

/**
 * A source that opens one thing, such as a port on which it listens, and is called by it from then on.
 *
 *   WAITING ──opened──► READING … ──stop──► STOPPED; what cannot be opened, such as an address that is in use, is tried again, with backoff
 */
export abstract class OpeningSource<Opened> extends LoopingSource {
  protected readonly context: SourceContext
  readonly #name: string
  #opened: Opened | undefined

  /** `name` says in the reason why it waits what cannot be opened. */
  constructor(name: string, context: SourceContext) {
    super()
    this.#name = name
    this.context = context
  }

  protected abstract open(): Promise<Opened>

  /** Resolves when nothing more comes of it. */
  protected abstract close(opened: Opened): Promise<void>

  override async stop(): Promise<void> {
    await super.stop()
    if (this.#opened !== undefined) await this.close(this.#opened)
  }

  protected override async run(): Promise<void> {
    const { clock, random } = this.context
    const { signal } = this.stopping
    const backoff = new Backoff(AGAIN_AFTER, random)
    while (!signal.aborted) {
      try {
        this.context.turn(0)
        this.#opened = await this.open()
        this.context.turn()
        this.context.state('reading')
        return
      } catch (error) {
        this.context.state('waiting', `${this.#name}: ${messageOf(error)}`)
        const againMs = backoff.nextMs()
        this.context.turn(againMs)
        await pause(clock, againMs, signal).catch(() => {})
      }
    }
  }
}
