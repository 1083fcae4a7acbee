import type { Clock, Timer } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'

/** How often what runs is looked at while somebody watches, ms. */
const LOOK_EVERY_MS = 1_000

/** A status, seen from here: rows of sources, and whatever else. */
export interface LiveStatus {
  readonly sources: readonly { readonly source: string }[]
}

export type Sides = Readonly<Partial<Record<'edge' | 'core', LiveStatus>>>

/** What a watcher is told: all of it first, then what changed. */
export type LiveMessage =
  | { readonly kind: 'all'; readonly timeMs: number; readonly sides: Sides }
  | { readonly kind: 'changes'; readonly timeMs: number; readonly sides: Sides }
  | { readonly kind: 'trouble'; readonly timeMs: number; readonly message: string }

/**
 * One look at what runs each second for all who watch, and none while nobody does. After the first message, only rows of sources that changed are
 * sent: with a thousand of them most are still. Rows that are gone make it send everything anew.
 */
export class LiveFeed {
  readonly #look: () => Promise<Sides>
  readonly #clock: Clock
  readonly #watchers = new Set<(message: LiveMessage) => void>()
  #last: Sides | undefined
  #timer: Timer | undefined
  #looking = false

  constructor(look: () => Promise<Sides>, clock: Clock) {
    this.#look = look
    this.#clock = clock
  }

  /** Calls with all of it soon, then with changes; returns a function that ends it. */
  watch(tell: (message: LiveMessage) => void): () => void {
    let first = true
    const watcher = (message: LiveMessage) => {
      if (first && message.kind === 'changes') {
        if (this.#last) tell({ kind: 'all', timeMs: message.timeMs, sides: this.#last })
      } else tell(message)
      if (message.kind !== 'trouble') first = false
    }
    this.#watchers.add(watcher)
    void this.#tick()
    return () => {
      this.#watchers.delete(watcher)
      if (this.#watchers.size > 0) return
      this.#timer?.cancel()
      this.#timer = undefined
      this.#last = undefined
    }
  }

  async #tick(): Promise<void> {
    if (this.#looking) return
    this.#timer?.cancel()
    this.#looking = true
    const timeMs = this.#clock.wallMs()
    try {
      const sides = await this.#look()
      const before = this.#last
      this.#last = sides
      const changes = before && changesOf(before, sides)
      this.#tell(changes ? { kind: 'changes', timeMs, sides: changes } : { kind: 'all', timeMs, sides })
    } catch (error) {
      this.#tell({ kind: 'trouble', timeMs, message: messageOf(error) })
    }
    this.#looking = false
    if (this.#watchers.size > 0) this.#timer = this.#clock.after(LOOK_EVERY_MS, () => void this.#tick(), 'background')
  }

  #tell(message: LiveMessage): void {
    for (const watcher of this.#watchers) watcher(message)
  }
}

/** The statuses with only those rows and keys that are new or another; undefined where a row, or a side, is gone. */
export function changesOf(before: Sides, now: Sides): Sides | undefined {
  const changes: { edge?: LiveStatus; core?: LiveStatus } = {}
  for (const side of ['edge', 'core'] as const) {
    const [old, status] = [before[side], now[side]]
    if (!old !== !status) return undefined
    if (!old || !status) continue
    const known = new Map(old.sources.map(row => [row.source, JSON.stringify(row)]))
    const here = new Set(status.sources.map(row => row.source))
    if ([...known.keys()].some(source => !here.has(source))) return undefined
    changes[side] = {
      ...differing(old, status),
      sources: status.sources.filter(row => known.get(row.source) !== JSON.stringify(row)),
    }
  }
  return changes
}

/** What is another beside the rows: reports of a thousand gateways need not go out each second. */
function differing(old: object, status: object): object {
  const before = new Map(Object.entries(old))
  return Object.fromEntries(
    Object.entries(status).filter(([name, value]) => JSON.stringify(before.get(name)) !== JSON.stringify(value)),
  )
}
