/** Of two priorities that both have a backlog the higher one goes so often before the lower one goes once. */
const TURNS_BEFORE_A_LOWER = 4
/** So often what is up to date goes before a backlog gets a turn all the same. */
const TURNS_BEFORE_A_BACKLOG = 16

export interface Turn {
  readonly priority: number
  /** Where it waits for its turn; theirs alone. A set of those that wait would make a table anew every few hundred turns, and keep what stood in the old one. */
  turns?: object | undefined
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
  /** From the highest priority down. */
  readonly #levels: Level<Lane>[] = []
  #freshInARow = 0

  has(lane: Lane): boolean {
    return lane.turns === this
  }

  add(lane: Lane, kind: 'fresh' | 'backlog'): void {
    if (this.has(lane)) return
    lane.turns = this
    this.#level(lane.priority)[kind].push(lane)
  }

  /** Takes whose turn it is out of the queue; of those only that have this priority or a higher one. */
  next(floor = Number.NEGATIVE_INFINITY): Lane | undefined {
    const lane = this.#freshInARow < TURNS_BEFORE_A_BACKLOG ? this.#fresh(floor) : undefined
    if (lane) this.#freshInARow += 1
    const chosen = lane ?? this.#backlog(floor) ?? this.#fresh(floor)
    if (!lane) this.#freshInARow = 0
    if (chosen) chosen.turns = undefined
    return chosen
  }

  /** The most important, however often it had its turn: for a link that costs money. */
  mostImportant(floor: number): Lane | undefined {
    const level = this.#levels.find(({ priority, fresh, backlog }) => priority >= floor && fresh.length + backlog.length > 0)
    const lane = level?.fresh.shift() ?? level?.backlog.shift()
    if (lane) lane.turns = undefined
    return lane
  }

  clear(): void {
    for (const { fresh, backlog } of this.#levels.splice(0))
      for (const lane of [...fresh, ...backlog]) if (this.has(lane)) lane.turns = undefined
  }

  // Levels are few, and gone through for every batch: no list of some of them is made.

  #fresh(floor: number): Lane | undefined {
    for (const { priority, fresh } of this.#levels) if (priority >= floor && fresh.length > 0) return fresh.shift()
    return undefined
  }

  #backlog(floor: number): Lane | undefined {
    const lowest = this.#levels.findLast(({ priority, backlog }) => priority >= floor && backlog.length > 0)
    for (const level of this.#levels) {
      if (level.priority < floor || level.backlog.length === 0) continue
      if (level !== lowest && level.taken >= TURNS_BEFORE_A_LOWER) {
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
