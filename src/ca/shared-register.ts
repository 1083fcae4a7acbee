import { randomUUID } from 'node:crypto'
import type { Journal, JournalEntry } from '../log/log.ts'
import { HeadraceError } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import type { Register } from './register.ts'
import { type RegisterEntry, registerEntry } from './register-entries.ts'

/** What the journal is called that all cores of one log share their registers by. */
export const IDENTITIES_JOURNAL = 'headrace.identities'

/** No entry stands there. */
const NOTHING = -1

export interface SharedRegisterDeps {
  readonly register: Register
  readonly journal: Journal
  /** Fingerprint of the root: an authority takes nothing from another one that is at the same log. */
  readonly root: string
  readonly logger: Logger
}

/**
 * Keeps a core's register one with those of the other cores: whatever happens is said in a journal that all of them read, and holds once it is read
 * there. What an operator does holds here at once, and is said as soon as the journal can be reached; where others said something before that, all is
 * taken again in the journal's order, so that every register comes to the same.
 */
export class SharedRegister {
  readonly #deps: SharedRegisterDeps
  #turn: Promise<unknown> = Promise.resolve()
  /** What others said changed something, and nobody was told yet. */
  #hasNews = false
  #isWarned = false

  constructor(deps: SharedRegisterDeps) {
    this.#deps = deps
  }

  /** Says what the others do not know, and hears what they said. Resolves with whether anything that was heard since the last time changed something. */
  sync(): Promise<boolean> {
    return this.#inTurn(async () => {
      await this.#hear(await this.#tell(), NOTHING)
      const hadNews = this.#hasNews
      this.#hasNews = false
      return hadNews
    })
  }

  /** Resolves with whether the entry counts: another core may have been first. Rejects with `log_unavailable`. */
  write(entry: RegisterEntry): Promise<boolean> {
    return this.#inTurn(async () => {
      const { register } = this.#deps
      let told = await this.#tell()
      if (!register.wouldCount(entry)) {
        await this.#hear(told, NOTHING)
        told = new Set()
        // It is not said: strangers can ask for as much as they like, and what is said stays for ever. Also so that a core's sessions of a gateway only
        // rise: whatever the log's cleaner leaves, the newest is among it.
        if (!register.wouldCount(entry)) return false
      }
      return this.#hear(told, await this.#append(entry))
    })
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(work)
    this.#turn = result.catch(() => {})
    return result
  }

  /** Says what holds here already, in its order; resolves with where it stands. */
  async #tell(): Promise<ReadonlySet<number>> {
    const { register, journal } = this.#deps
    const id = await journal.id()
    if (register.position?.journal !== id) register.share(id)
    const told = new Set<number>()
    for (let next = register.unsent(); next; next = register.unsent()) {
      told.add(await this.#append(next.entry))
      register.sent(next.number)
    }
    return told
  }

  #append(entry: RegisterEntry): Promise<number> {
    const { journal, root, register } = this.#deps
    // Of what one core says of a gateway's sessions the last is kept; everything else stays.
    const key = entry.kind === 'session' ? `session/${entry.gateway}/${register.position?.writer}` : randomUUID()
    return journal.append(`${root}/${key}`, Buffer.from(JSON.stringify(entry)))
  }

  /** Reads to the end; `own` is where the entry stands that is asked about. Resolves with whether that one counts. */
  async #hear(told: ReadonlySet<number>, own: number): Promise<boolean> {
    const { register, journal, logger } = this.#deps
    const from = register.position?.next ?? 0
    const read = await this.#readFrom(from)
    if (!read && from === 0) throw lostBeginning()
    if (!read) {
      logger.warn({ from }, `${IDENTITIES_JOURNAL} was cut back: what this register holds is said there again`)
      register.share(await journal.id())
      return this.#hear(await this.#tell(), own)
    }
    const lastTold = Math.max(...told)
    const isLate = read.entries.some(({ at }) => at < lastTold && !told.has(at))
    if (from > 0 && !isLate) return this.#took(read.entries, own, entries => register.take(entries, read.next))
    const whole = from === 0 ? read : await this.#readFrom(0)
    if (!whole) throw lostBeginning()
    return this.#took(whole.entries, own, entries => register.rebuild(entries, whole.next))
  }

  #took(
    entries: readonly JournalEntry[],
    own: number,
    take: (entries: readonly (RegisterEntry | undefined)[]) => readonly number[],
  ): boolean {
    if (entries.length === 0) return false
    const changed = take(entries.map(entry => this.#understood(entry)))
    const counting = entries.filter((_, index) => (changed[index] ?? 0) > 0)
    this.#hasNews ||= counting.some(({ at }) => at !== own)
    return counting.some(({ at }) => at === own)
  }

  /** All from there to the end; undefined where the journal does not reach so far. */
  async #readFrom(from: number): Promise<{ readonly entries: readonly JournalEntry[]; readonly next: number } | undefined> {
    const entries: JournalEntry[] = []
    for (let next = from; ; ) {
      const read = await this.#deps.journal.read(next)
      if (!read) return undefined
      entries.push(...read.entries)
      next = read.next
      if (read.end) return { entries, next }
    }
  }

  #understood({ at, key, value }: JournalEntry): RegisterEntry | undefined {
    if (!key.startsWith(`${this.#deps.root}/`)) {
      this.#warnOnce(
        'another authority is at this log: gateways that enrolled there are refused here, until `headrace ca core` makes them one',
      )
      return undefined
    }
    const entry = registerEntry.safeParse(parseJson(value)).data
    if (!entry) this.#warnOnce(`the entry at ${at} of ${IDENTITIES_JOURNAL} cannot be read: another version wrote it`)
    return entry
  }

  #warnOnce(what: string): void {
    if (!this.#isWarned) this.#deps.logger.warn({}, what)
    this.#isWarned = true
  }
}

/** What is missing may be that somebody was sent away: without it nobody is judged. */
function lostBeginning(): HeadraceError {
  return new HeadraceError('log_unavailable', `${IDENTITIES_JOURNAL} has lost its beginning`, {
    advice:
      'Its settings delete what is old. Delete the topic, and start this core: it is made anew with cleanup.policy=compact, and every core says there what it knows.',
  })
}

function parseJson(value: Buffer): unknown {
  try {
    return JSON.parse(value.toString('utf8'))
  } catch {
    return undefined
  }
}
