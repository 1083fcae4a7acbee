import { PauseGate } from './pause-gate.ts'
import type { Source } from './source.ts'

/** A source that is one loop: it ends when {@link stopping} is aborted, and waits at the {@link gate} while the buffer has no room. */
export abstract class LoopingSource implements Source {
  protected readonly stopping = new AbortController()
  protected readonly gate = new PauseGate()
  #loop: Promise<void> | undefined

  /** Resolves when nothing more will be handed on; looks at {@link stopping} between its steps. */
  protected abstract run(): Promise<void>

  async start(): Promise<void> {
    this.#loop = this.run()
  }

  async stop(): Promise<void> {
    this.stopping.abort(new Error('stopping'))
    this.gate.open()
    await this.#loop
  }

  pause(): void {
    this.gate.close()
  }

  resume(): void {
    this.gate.open()
  }
}
