import type { SourceBuffer } from './source-buffer.ts'

/** Those who wait for what a source took to be on disk. */
export class CommitWaiters {
  readonly #calls = new Map<SourceBuffer, (() => void)[]>()

  wait(source: SourceBuffer): Promise<void> {
    return new Promise(resolve => {
      const calls = this.#calls.get(source)
      if (calls) calls.push(resolve)
      else this.#calls.set(source, [resolve])
    })
  }

  /** Those who wait for these sources now; to be called when a commit that begins after this is on disk. Who is not called goes on waiting. */
  waiting(sources: readonly SourceBuffer[]): CommitWaiting {
    const counts = new Map(sources.map(source => [source, this.#calls.get(source)?.length ?? 0]))
    return {
      written: source => {
        const calls = this.#calls.get(source)?.splice(0, counts.get(source) ?? 0) ?? []
        if (this.#calls.get(source)?.length === 0) this.#calls.delete(source)
        for (const call of calls) call()
      },
    }
  }
}

export interface CommitWaiting {
  /** All that this source had taken is on disk. */
  written(source: SourceBuffer): void
}
