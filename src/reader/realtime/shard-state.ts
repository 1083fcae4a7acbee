import type { Alert } from '../../analyser/analyser.ts'
import type { SourceId } from '../../runtime/names.ts'
import type { AlertOutbox } from './alert-outbox.ts'
import type { AnalyserDefinition } from './definition.ts'
import { RunningWatch, watchSubject } from './running-watch.ts'
import type { Owner } from './shard-log.ts'
import {
  type KeptStream,
  type KeptWatch,
  type Positions,
  parseWatchKey,
  type StateEntry,
  StateFold,
  type StateText,
  watchKey,
} from './state-entry.ts'
import type { StateKeeper } from './state-keeper.ts'

/** A watch is kept this long after it saw something new; after a crash no more than that is read twice. */
const KEEP_AFTER_MS = 5_000
/** How often it is looked what is to be kept beside what was said: there may be thousands of watches. */
const LOOK_EVERY_MS = 200
/** Watches kept at once, in any case, beside those that said something: see {@link ShardState} `#due`. */
const KEPT_AT_ONCE_MIN = 8
/** While something is said, which must not wait for what is merely due, as often as this at least. */
const LOOK_AT_LEAST_EVERY_MS = 600
/** How often a sign of life is kept: others take over where there is none. */
const SIGN_OF_LIFE_EVERY_MS = 1_500
/** Alerts on their way, and records of one derived stream: past that no more records are read until some have got there. */
export const UNDELIVERED_MAX = 10_000

/** What was handed to the keeper and not answered yet. */
interface Handed {
  readonly entries: readonly StateEntry[]
  readonly alerts: readonly { readonly definition: AnalyserDefinition; readonly alert: Alert }[]
}

/** The watches of one shard, the alerts and derived records on their way, and the keeping of all of it. */
export class ShardState {
  readonly #keeper: StateKeeper
  readonly #owner: Owner | null
  readonly #fold = new StateFold()
  readonly #watches = new Map<string, RunningWatch>()
  /** Watches that said something which is not kept. */
  readonly #speaking = new Set<RunningWatch>()
  readonly #newlyKnown: StateEntry[] = []
  /** What was last kept of watches that failed, once it was needed; undefined where nothing was. */
  readonly #keptOfFailed = new Map<RunningWatch, KeptWatch | undefined>()
  #delivered: number[] = []
  #handed: Handed | undefined
  #signedMs = Number.NEGATIVE_INFINITY
  #lookedMs = Number.NEGATIVE_INFINITY

  /** `owner`: who gives signs of life; null where nobody else could take over. */
  constructor(keeper: StateKeeper, owner: Owner | null) {
    this.#keeper = keeper
    this.#owner = owner
    for (const entry of keeper.entries) this.#fold.take(entry)
  }

  get watches(): ReadonlyMap<string, RunningWatch> {
    return this.#watches
  }

  get outbox(): Pick<AlertOutbox, 'sinks' | 'waitingFor' | 'firstFor' | 'all'> {
    return this.#fold.outbox
  }

  get streams(): ReadonlyMap<string, KeptStream> {
    return this.#fold.streams
  }

  /** Something was said that is not kept, and not on its way to being kept. */
  get hasSaid(): boolean {
    return this.#speaking.size > 0 || this.#newlyKnown.length > 0
  }

  /** Nothing more may be read before some of what is on its way has got there. */
  get isFull(): boolean {
    if (this.#fold.outbox.size >= UNDELIVERED_MAX) return true
    for (const { derived } of this.#fold.streams.values()) if (derived.length >= UNDELIVERED_MAX) return true
    return false
  }

  /** Sources that were there when the analyser was first started are watched from their end on, later ones from their beginning. */
  know(definition: AnalyserDefinition, ends: Positions): void {
    if (this.#fold.known.has(definition.id)) return
    const entry = { kind: 'known', id: definition.id, at: ends } as const
    this.#fold.take(entry)
    this.#newlyKnown.push(entry)
  }

  /** A derived stream that has no number yet goes on where the log has it. */
  startStream(id: string, next: number): void {
    const known = this.#fold.streams.get(id)
    if (!known) this.#fold.take({ kind: 'stream', id, next, derived: [] })
  }

  /** The watch that sees a source's records, of which the log has [first, next); opened with what was kept of it. */
  watchFor(
    definition: AnalyserDefinition,
    source: SourceId,
    key: string,
    first: number,
    next: number = Number.POSITIVE_INFINITY,
  ): RunningWatch {
    const about = watchSubject(definition, source)
    const name = watchKey(definition.id, about ? key : '*')
    let watch = this.#watches.get(name)
    if (!watch) {
      watch = new RunningWatch(definition, about, this.#fold.watches.get(name), each => this.#speaking.add(each))
      this.#watches.set(name, watch)
      this.#fold.watches.delete(name)
    }
    if (watch.floor(key) === undefined) watch.setFloor(key, Math.min(this.#fold.known.get(definition.id)?.[key] ?? first, next))
    return watch
  }

  delivered(number: number): void {
    if (this.#fold.outbox.delete(number)) this.#delivered.push(number)
  }

  /**
   * Keeps what was said, and what is due to be kept. Only what is kept goes out: {@link outbox} and {@link streams} grow when this resolves.
   * Rejects where the log cannot be reached: nothing may be read before it succeeds.
   */
  async keep(
    when: { monotonicMs: number; all?: true },
    onAlert: (definition: AnalyserDefinition, alert: Alert) => void,
  ): Promise<'kept' | 'lost'> {
    const isRepeat = this.#handed !== undefined
    this.#handed ??= this.#gather(when)
    const { entries, alerts } = this.#handed
    if (entries.length > 0) {
      if ((await this.#keeper.append(isRepeat ? [] : entries)) === 'lost') return 'lost'
      for (const entry of entries) {
        if (entry.kind === 'known') continue
        this.#fold.take(entry)
        if (entry.kind === 'watch') this.#fold.watches.delete(watchKey(entry.id, entry.subject))
      }
    }
    this.#handed = undefined
    for (const { definition, alert } of alerts) onAlert(definition, alert)
    return this.isLong ? this.#makeShort() : 'kept'
  }

  /** It is made short by the next keep during which nothing is said. */
  get isLong(): boolean {
    return this.#keeper.isLong
  }

  /** The last word: nobody needs to wait for this core to be missed. */
  async release(): Promise<void> {
    if (this.#owner) await this.#keeper.append([{ kind: 'owner', ...this.#owner, released: true }])
  }

  #gather({ monotonicMs, all }: { monotonicMs: number; all?: true }): Handed {
    const entries: StateEntry[] = this.#newlyKnown.splice(0)
    const alerts: { definition: AnalyserDefinition; alert: Alert }[] = []
    const next = { alert: this.#fold.nextAlert, derived: new Map<string, number>() }
    const lookEveryMs = this.#speaking.size > 0 ? LOOK_AT_LEAST_EVERY_MS : LOOK_EVERY_MS
    const isLook = all || monotonicMs - this.#lookedMs >= lookEveryMs
    for (const watch of [...this.#speaking, ...(isLook ? this.#due(monotonicMs, all) : [])]) {
      if (watch.failure !== undefined) continue
      const state = watch.snapshot()
      if (state === undefined) continue
      for (const { alert } of watch.said.alerts) alerts.push({ definition: watch.definition, alert })
      entries.push(this.#entryOf(watch, state, next))
    }
    this.#speaking.clear()
    // That one has arrived need not be kept at once: it bears a key, and is told again if that is lost.
    if (this.#delivered.length > 0 && (isLook || entries.length > 0)) {
      entries.push({ kind: 'delivered', numbers: this.#delivered })
      this.#delivered = []
    }
    // Whoever looks at the last batch sees who wrote it.
    if (this.#owner && (entries.length > 0 || monotonicMs - this.#signedMs >= SIGN_OF_LIFE_EVERY_MS)) {
      entries.push({ kind: 'owner', ...this.#owner, released: false })
      this.#signedMs = monotonicMs
    }
    return { entries, alerts }
  }

  /**
   * Watches that said nothing, and saw records that they should not have to see again. All of them may be due in one moment, and keeping takes the
   * time that records wait: of all watches, only as large a part is kept as the time since the last look is of the time within which each is.
   */
  #due(monotonicMs: number, all: true | undefined): RunningWatch[] {
    const share = Math.min(1, (monotonicMs - this.#lookedMs) / KEEP_AFTER_MS)
    const most = all ? this.#watches.size : Math.max(KEPT_AT_ONCE_MIN, Math.ceil(this.#watches.size * share))
    this.#lookedMs = monotonicMs
    const due: RunningWatch[] = []
    for (const watch of this.#watches.values()) {
      if (watch.unkeptSinceMs === undefined || watch.failure !== undefined || watch.hasSaid) continue
      if (!all && monotonicMs - watch.unkeptSinceMs < KEEP_AFTER_MS) continue
      if (due.length >= most) break
      due.push(watch)
    }
    return due
  }

  #entryOf(watch: RunningWatch, state: StateText, next: { alert: number; derived: Map<string, number> }): StateEntry {
    const { definition, subject, said } = watch
    const { id, fingerprint, sinks } = definition
    const alerts = said.alerts.flatMap(({ outgoing }) => sinks.map(sink => ({ number: next.alert++, sink, alert: outgoing })))
    let sequence = next.derived.get(id) ?? this.#fold.streams.get(id)?.next ?? 0
    const derived = said.derived.map(({ timeMs, value }) => ({ sequence: sequence++, timeMs, value }))
    next.derived.set(id, sequence)
    said.alerts.length = 0
    said.derived.length = 0
    watch.saidCharacters = 0
    watch.unkeptSinceMs = undefined
    return { kind: 'watch', id, subject, fingerprint, at: watch.positions(), state, alerts, derived }
  }

  /**
   * Writes all that counts anew, so that what was written before may go. Not while something is said that is not kept: the state of such a watch is
   * one in which it was said, and after a crash nobody would say it.
   */
  async #makeShort(): Promise<'kept' | 'lost'> {
    if (this.#speaking.size === 0) await this.#recallFailed()
    if (this.#speaking.size > 0) return 'kept'
    const entries: StateEntry[] = [
      { kind: 'pending', nextAlert: this.#fold.nextAlert, alerts: this.#fold.outbox.all() },
      ...[...this.#fold.streams].map(([id, { next, derived }]) => ({ kind: 'stream', id, next, derived }) as const),
      ...[...this.#fold.known].map(([id, at]) => ({ kind: 'known', id, at }) as const),
    ]
    const nothing = { alerts: [], derived: [] }
    // What no analyser of this core wants may be wanted by one that another core knows of.
    for (const [key, { fingerprint, at, state }] of this.#fold.watches)
      entries.push({ kind: 'watch', ...parseWatchKey(key), fingerprint, at, state, ...nothing })
    for (const watch of this.#watches.values()) {
      const { definition, subject } = watch
      const { id, fingerprint } = definition
      if (watch.failure === undefined) {
        const state = watch.snapshot()
        // It has failed just now: what was kept of it is recalled by the next keep.
        if (state === undefined) return 'kept'
        entries.push({ kind: 'watch', id, subject, fingerprint, at: watch.positions(), state, ...nothing })
      } else {
        const kept = this.#keptOfFailed.get(watch)
        if (kept) entries.push({ kind: 'watch', id, subject, ...kept, ...nothing })
      }
    }
    const forget = this.#keeper.startAnew()
    if ((await this.#keeper.append(entries)) === 'lost') return 'lost'
    await forget()
    return 'kept'
  }

  /** A watch that failed goes on, after a restart, from before its failure: of what it is now nothing may be kept, and what was kept of it is not at hand. */
  async #recallFailed(): Promise<void> {
    const failed = [...this.#watches.values()].filter(each => each.failure !== undefined && !this.#keptOfFailed.has(each))
    if (failed.length === 0) return
    const fold = new StateFold()
    for (const entry of await this.#keeper.readBack()) fold.take(entry)
    for (const watch of failed) this.#keptOfFailed.set(watch, fold.watches.get(watch.key))
  }
}
