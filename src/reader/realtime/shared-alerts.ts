import type { Claim, Log } from '../../log/log.ts'
import { readRange } from '../../log/read-range.ts'
import { decodeBatch } from '../../record/batch-reader.ts'
import type { Clock, Timer } from '../../runtime/clock.ts'
import { messageOf } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/logger.ts'
import { type SourceId, sourceKey } from '../../runtime/names.ts'
import type { AlertBook } from './alert-book.ts'
import { type Owner, ShardLog, STATE_GATEWAY, STATE_TOPIC } from './shard-log.ts'
import { decodeEntry } from './state-entry.ts'

/** How often a core tells and hears, ms. */
const LOOK_EVERY_MS = 1_000
/** Words told at once. */
const WORDS_AT_ONCE = 500
const READ_BYTES = 4 * 2 ** 20
const PREFIX = 'alerts-'

/** Where a core tells what was said at it. */
export function alertsSource(core: string): SourceId {
  return { gateway: STATE_GATEWAY, source: `${PREFIX}${core}` }
}

export interface SharedAlertsDeps {
  readonly log: Log
  readonly book: AlertBook
  readonly clock: Clock
  readonly logger: Logger
  readonly owner: Owner
}

/**
 * What cores tell each other of alerts, acknowledgements and silences. Each writes to a partition of its own, beside those with the state of
 * analysers, and reads those of all: nobody is asked, nobody leads, and a core that was away reads on where it stopped. What cannot be told yet stays
 * in the book.
 */
export class SharedAlerts {
  readonly #deps: SharedAlertsDeps
  #own: ShardLog | undefined
  /** Words that were handed to the log and not answered yet, up to this one. */
  #handed: number | undefined
  #timer: Timer | undefined
  #looking: Promise<void> = Promise.resolve()
  #heardOwn = false
  #stopped = false

  constructor(deps: SharedAlertsDeps) {
    this.#deps = deps
  }

  start(): void {
    const { clock, logger } = this.#deps
    this.#looking = this.look()
      .catch(error => logger.debug({}, `alerts are not shared with other cores just now: ${messageOf(error)}`))
      .finally(() => {
        if (!this.#stopped) this.#timer = clock.after(LOOK_EVERY_MS, () => this.start(), 'background')
      })
  }

  /** Tells what is left to tell, where the log can be reached. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    await this.#looking
    await this.#tell().catch(error => this.#deps.logger.debug({}, `alerts wait for the next start: ${messageOf(error)}`))
  }

  async look(): Promise<void> {
    await this.#tell()
    await this.#hear()
  }

  async #tell(): Promise<void> {
    const { log, book, clock, owner } = this.#deps
    for (;;) {
      const words = this.#handed === undefined ? book.unsaid(WORDS_AT_ONCE) : []
      const last = this.#handed ?? words.at(-1)?.number
      if (last === undefined) return
      this.#own ??= await ShardLog.takeOver({ log, clock }, alertsSource(owner.core), owner)
      this.#handed = last
      const kept = await this.#own.append(words.map(({ word }) => ({ kind: 'word', word })))
      this.#handed = undefined
      // Another process of this name writes there: whoever takes it over next goes on.
      if (kept === 'lost') {
        this.#own = undefined
        return
      }
      book.said(last)
      await this.#makeShort(this.#own)
    }
  }

  /** All that counts is written anew, so that what was written before may go. */
  async #makeShort(own: ShardLog): Promise<void> {
    if (!own.isLong) return
    const forget = own.startAnew()
    if ((await own.append(this.#deps.book.everything().map(word => ({ kind: 'word', word })))) === 'kept') await forget()
  }

  async #hear(): Promise<void> {
    const { log, owner } = this.#deps
    const own = alertsSource(owner.core).source
    // What this core said itself it reads once: it may have a new disk.
    const isHeard = ({ topic, source: { source } }: Claim) =>
      topic === STATE_TOPIC && source.startsWith(PREFIX) && (source !== own || !this.#heardOwn)
    const claims = (await log.claims()).filter(isHeard)
    const ends = await log.ends(claims)
    for (const claim of claims) {
      const end = ends.get(claim)
      if (end) await this.#hearOf(claim, end)
    }
    this.#heardOwn = claims.every(claim => claim.source.source !== own || ends.has(claim))
  }

  async #hearOf({ topic, partition, source }: Claim, { first, next }: { first: number; next: number }): Promise<void> {
    const { log, book } = this.#deps
    const key = sourceKey(source)
    const taken = book.takenOf(key)
    // A log that was restored, or made anew, is heard from its beginning.
    const from = taken > next ? first : Math.max(first, taken)
    if (from >= next) return
    for await (const { batches } of readRange(log, [{ topic, partition, from, to: next }], { maxBytes: READ_BYTES })) {
      const records = batches.flatMap(batch => decodeBatch(batch)).filter(({ sequence }) => sequence < next)
      const entries = records.flatMap(({ value }) => (value === null ? [] : [decodeEntry(value)]))
      const end = records.at(-1)?.sequence
      if (end !== undefined)
        book.take(
          key,
          end + 1,
          entries.flatMap(entry => (entry.kind === 'word' ? [entry.word] : [])),
        )
    }
  }
}
