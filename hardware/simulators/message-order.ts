/** Sends one message after the other: what comes after a late one is late as well. */
export class MessageOrder {
  #last: Promise<void> = Promise.resolve()

  /** Resolves when all that was given until now is sent. */
  sent(): Promise<void> {
    return this.#last
  }

  /** `send` is called after the delay, ms, and after all that was given before. */
  add(delayMs: number, send: () => void): void {
    const before = this.#last
    this.#last = (async () => {
      await before
      if (delayMs > 0) await new Promise(resolve => setTimeout(resolve, delayMs))
      send()
    })()
  }
}
