import { gapAt, joinGaps } from '../record/gap.ts'
import { assert, HeadraceError } from '../runtime/errors.ts'
import { NAME_PATTERN } from '../runtime/names.ts'
import type { Assignment, Freeze, SourceSettings } from './buffer.ts'
import { parseKept } from './kept.ts'
import { KeptRows } from './kept-rows.ts'
import type { BufferLimits } from './limits.ts'
import type { Marks } from './marks.ts'
import { SourceBuffer, type SourceHooks } from './source-buffer.ts'
import type { Opened, SourceRow } from './store-calls.ts'
import type { AsyncStore } from './store-thread.ts'

/** How a source is kept that the configuration does not name any more: it only drains. */
const REMOVED = { whenFull: 'drop_newest', priority: 0, durabilityMs: 1_000 } as const

/** All that is known of the database without asking it; its size does not depend on the backlog's. */
export class BufferIndex {
  readonly sources = new Map<string, SourceBuffer>()
  /** Settled first, first. */
  readonly kept = new KeptRows()
  /** Bytes of encoded batches in memory, over all sources. */
  readyBytes = 0
  readonly #byId = new Map<number, SourceBuffer>()
  #lastId = 0
  readonly #hooks: SourceHooks

  constructor(hooks: SourceHooks) {
    this.#hooks = hooks
  }

  get limits(): BufferLimits {
    return this.#hooks.limits
  }

  /** Takes over what the database holds; sources that are known already keep what they are. */
  load({ sources, cut, uncut, bookmarks }: Opened): void {
    for (const row of sources) if (!this.#byId.has(row.id)) this.#addKnown(row)
    for (const { source, token } of bookmarks) Object.assign(this.#byId.get(source) ?? {}, { storedBookmark: token })
    for (const { id, source, first, count, bytes, timeMs } of cut) {
      if (first !== null) this.#byId.get(source)?.addCut({ id, first, count, bytes, timeMs })
    }
    for (const source of this.sources.values()) settleBeforeBlocks(source)
    for (const { source, blocks, records, bytes, oldestMs } of uncut) {
      const found = this.#byId.get(source)
      if (found) Object.assign(found, { uncutBlocks: blocks, uncutRecords: records, uncutBytes: bytes, uncutSinceMs: oldestMs })
    }
    const settled = [...this.sources.values()].flatMap(({ id: source, cut, settled }) =>
      cut.slice(0).flatMap(row => (row.first + row.count <= settled ? { ...row, source } : [])),
    )
    for (const row of settled.sort((a, b) => a.id - b.id)) this.kept.add(row)
  }

  /** Forgets the blocks and loads them again: after a commit that failed, what is in memory may be ahead of the disk. */
  reload(opened: Opened): void {
    this.kept.clear()
    const rows = new Map(opened.sources.map(row => [row.id, row]))
    for (const source of this.sources.values()) {
      source.cut.clear()
      source.uncut.length = 0
      Object.assign(source, { uncutBlocks: 0, uncutRecords: 0, uncutBytes: 0, loadedThrough: 0, dirty: true })
      const row = rows.get(source.id)
      // One whose row was never written has it in memory alone: that of a database that is lost.
      if (row) source.headGap = parseKept(row.head_gap)
      if (source.headGap || source.tailGap) source.gapSinceMs ??= 0
    }
    this.load(opened)
  }

  /** Sources of the configuration; one that the core has given a topic keeps it. */
  configure(settings: readonly SourceSettings[]): SourceBuffer[] {
    return settings.map(each => {
      if (!NAME_PATTERN.test(each.source)) throw new HeadraceError('internal', `"${each.source}" is no name of a source`)
      const known = this.sources.get(each.source)
      if (!known) {
        const added = this.#add(this.#lastId + 1, each)
        added.dirty = true
        return added
      }
      known.settings = { ...each, topic: known.assignment ? known.settings.topic : each.topic }
      return known
    })
  }

  /** Sources that the configuration names no longer: what they hold drains, and nothing comes after it. */
  retireOthers(settings: readonly SourceSettings[]): void {
    const named = new Set(settings.map(({ source }) => source))
    for (const [name, source] of this.sources) {
      if (!named.has(name)) source.settings = { source: name, topic: source.settings.topic, ...REMOVED }
    }
  }

  /** Sources whose database is lost, or was moved away because it was damaged: they go on at their marks. Gives those. */
  restore(marks: Marks, nowMs: number): SourceBuffer[] {
    const lost: SourceBuffer[] = []
    for (const [name, { topic, mark, assignment }] of Object.entries(marks.sources)) {
      const source = this.sources.get(name) ?? this.#add(this.#lastId + 1, { source: name, topic, ...REMOVED })
      source.mark = Math.max(source.mark, mark)
      if (source.next > 0 || source.assignment || !assignment) continue
      Object.assign(source, { next: mark, settled: mark, position: mark, lostBelow: mark, assignment, dirty: true })
      // Nobody knows how many records had no number yet: that there may be some is said all the same.
      source.headGap = gapAt(0, nowMs, nowMs, 'buffer_lost')
      source.gapSinceMs = nowMs
      lost.push(source)
    }
    return lost
  }

  /** The database was damaged and is empty now: all that was on disk is lost, and said. Gives the sources that go on at their marks. */
  startAnew(nowMs: number): SourceBuffer[] {
    this.kept.clear()
    const lost: SourceBuffer[] = []
    for (const source of this.sources.values()) {
      this.dropReady(source, Number.POSITIVE_INFINITY)
      const { uncutRecords, uncutSinceMs, mark, assignment } = source
      source.cut.clear()
      source.uncut.length = 0
      Object.assign(source, { uncutBlocks: 0, uncutRecords: 0, uncutBytes: 0, blocksAtOpen: 0, loadedThrough: 0, dirty: true })
      if (assignment) Object.assign(source, { next: mark, settled: mark, position: mark, lostBelow: mark })
      else if (uncutRecords === 0) continue
      const fromMs = uncutSinceMs ?? nowMs
      source.headGap = joinGaps(source.headGap, gapAt(uncutRecords, Math.min(fromMs, nowMs), nowMs, 'buffer_lost'))
      source.gapSinceMs ??= nowMs
      lost.push(source)
    }
    return lost
  }

  /** By its number in the database. */
  source(id: number): SourceBuffer | undefined {
    return this.#byId.get(id)
  }

  /** Forgets what is in memory of this source's batches below `sequence`. */
  dropReady(source: SourceBuffer, sequence: number): void {
    this.readyBytes -= source.dropReadyBelow(sequence)
  }

  /** Whether a source has uncut blocks and none of them is known. */
  isBlind(source: SourceBuffer): boolean {
    return source.uncutBlocks > 0 && source.uncut.length === 0
  }

  /**
   * One look through the uncut blocks for all sources whose window is empty, or nearly; a source that is further on passes over what it knows. Nobody else
   * takes anything of it: what lies between their window and where the look begins would be passed over, and they would give what came after it first.
   */
  async loadUncut(store: AsyncStore): Promise<void> {
    const { uncutWindow, scanRows } = this.limits
    const hungry = new Set(
      [...this.sources.values()].filter(({ uncut, uncutBlocks }) => uncutBlocks > uncut.length && uncut.length < uncutWindow / 2),
    )
    let after = Math.min(...[...hungry].map(source => source.loadedThrough))
    while ([...hungry].some(source => this.isBlind(source))) {
      const rows = await store.scan(after, scanRows)
      for (const row of rows) {
        const source = this.#byId.get(row.source)
        if (!source || !hungry.has(source) || row.id <= source.loadedThrough) continue
        if (source.uncut.length >= uncutWindow) {
          hungry.delete(source)
          continue
        }
        source.uncut.push(row)
        source.loadedThrough = row.id
      }
      const last = rows.at(-1)
      if (!last) return checkWhole(hungry)
      after = last.id
    }
  }

  #addKnown(row: SourceRow): void {
    const source = this.#add(row.id, { source: row.name, topic: row.topic, ...REMOVED })
    Object.assign(source, { next: row.next, settled: row.settled, position: row.settled, mark: row.next })
    source.assignment = parseKept<Assignment>(row.assignment)
    source.frozen = parseKept<Freeze>(row.frozen)
    source.headGap = parseKept(row.head_gap)
    source.tailGap = parseKept(row.tail_gap)
    // Since before this start: it is declared as soon as it can be.
    if (source.headGap || source.tailGap) source.gapSinceMs = 0
  }

  #add(id: number, settings: SourceSettings): SourceBuffer {
    const source = new SourceBuffer(id, settings, this.#hooks)
    this.sources.set(settings.source, source)
    this.#byId.set(id, source)
    this.#lastId = Math.max(this.#lastId, id)
    return source
  }
}

/** Only what is settled goes: what would lie before the oldest block was, also where the row of the source was written before that. */
function settleBeforeBlocks(source: SourceBuffer): void {
  const oldest = source.cut.at(0)
  if (!oldest || oldest.first <= source.settled) return
  source.settled = oldest.first
  source.position = Math.max(source.position, oldest.first)
}

/**
 * Of whom all was looked for to the end, all is known: if not, some of it was passed over, and nothing behind that may be cut. The commit fails, and the
 * index is made anew.
 */
function checkWhole(sources: Iterable<SourceBuffer>): void {
  for (const { source, uncut, uncutBlocks } of sources)
    assert(uncut.length === uncutBlocks, `${source} has ${uncutBlocks} uncut blocks, and ${uncut.length} are found`)
}
