/** What several sources use together, by name: made by the first, closed with the last. One of it for each process. */
export class SharedParts {
  readonly #parts = new Map<string, { readonly part: { close(): void }; users: number }>()

  /** Gives the part of that name, making it where there is none; `release` once for each call. */
  use<Part extends { close(): void }>(name: string, make: () => Part): { readonly part: Part; release(): void } {
    const known = this.#parts.get(name)
    const entry = known ?? { part: make(), users: 0 }
    if (!known) this.#parts.set(name, entry)
    entry.users += 1
    let released = false
    return {
      part: entry.part as Part,
      release: () => {
        if (released) return
        released = true
        entry.users -= 1
        if (entry.users > 0) return
        this.#parts.delete(name)
        entry.part.close()
      },
    }
  }
}
