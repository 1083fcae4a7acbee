/** Of two priorities that both have a backlog the higher one goes so often before the lower one goes once. */
const TURNS_BEFORE_A_LOWER = 4
/** So often what is up to date goes before a backlog gets a turn all the same. */
const TURNS_BEFORE_A_BACKLOG = 16

export interface Turn {
  readonly priority: number
}

interface Level<Lane> {
  readonly priority: number
  /** What had run dry, and has something new. */
  readonly fresh: Lane[]
  readonly backlog: Lane[]
  /** Turns of its backlog since a lower one had one. */
  taken: number
}

/**
 * Whose turn it is to send. What is up to date goes first, the most important of it before the rest: it has one batch and is done. Backlogs share what is
 * left, in turn within a priority, a higher priority four times as often as the next lower one. Nobody waits for ever.
 */
export class Turns<Lane extends Turn> {
  readonly #queued = new Set<Lane>()
  /** From the highest priority down. */
  readonly #levels: Level<Lane>[] = []
  #freshInARow = 0

  has(lane: Lane): boolean {
    return this.#queued.has(lane)
  }

  add(lane: Lane, kind: 'fresh' | 'backlog'): void {
    if (this.#queued.has(lane)) return
    this.#queued.add(lane)
    this.#level(lane.priority)[kind].push(lane)
  }

  /** Takes whose turn it is out of the queue; of those only that have this priority or a higher one. */
  next(floor = Number.NEGATIVE_INFINITY): Lane | undefined {
    const allowed = this.#levels.filter(({ priority }) => priority >= floor)
    const lane = this.#freshInARow < TURNS_BEFORE_A_BACKLOG ? this.#fresh(allowed) : undefined
    if (lane) this.#freshInARow += 1
    const chosen = lane ?? this.#backlog(allowed) ?? this.#fresh(allowed)
    if (!lane) this.#freshInARow = 0
    if (chosen) this.#queued.delete(chosen)
    return chosen
  }

  /** The most important, however often it had its turn: for a link that costs money. */
  mostImportant(floor: number): Lane | undefined {
    const level = this.#levels.find(({ priority, fresh, backlog }) => priority >= floor && fresh.length + backlog.length > 0)
    const lane = level?.fresh.shift() ?? level?.backlog.shift()
    if (lane) this.#queued.delete(lane)
    return lane
  }

  clear(): void {
    this.#queued.clear()
    this.#levels.length = 0
  }

  #fresh(levels: readonly Level<Lane>[]): Lane | undefined {
    return levels.find(({ fresh }) => fresh.length > 0)?.fresh.shift()
  }

  #backlog(levels: readonly Level<Lane>[]): Lane | undefined {
    const waiting = levels.filter(({ backlog }) => backlog.length > 0)
    for (const [at, level] of waiting.entries()) {
      const isLowest = at === waiting.length - 1
      if (!isLowest && level.taken >= TURNS_BEFORE_A_LOWER) {
        level.taken = 0
        continue
      }
      level.taken += 1
      return level.backlog.shift()
    }
    return undefined
  }

  #level(priority: number): Level<Lane> {
    const at = this.#levels.findIndex(level => level.priority <= priority)
    const found = this.#levels[at]
    if (found?.priority === priority) return found
    const level = { priority, fresh: [], backlog: [], taken: 0 }
    this.#levels.splice(at < 0 ? this.#levels.length : at, 0, level)
    return level
  }
}
