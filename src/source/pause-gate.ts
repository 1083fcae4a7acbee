/** Where a source waits while the buffer has no room. */
export class PauseGate {
  #closed: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined

  get isClosed(): boolean {
    return this.#closed !== undefined
  }

  close(): void {
    this.#closed ??= Promise.withResolvers<void>()
  }

  open(): void {
    this.#closed?.resolve()
    this.#closed = undefined
  }

  /** Resolves as soon as the gate is open; whoever waits looks again, since it may have closed anew. */
  async passed(): Promise<void> {
    while (this.#closed) await this.#closed.promise
  }
}
