import type { Alert } from '../../analyser/analyser.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import { AlertOutbox } from './alert-outbox.ts'
import type { AlertWord } from './alert-words.ts'

/** An alert on its way to one sink. */
export interface OutboxAlert {
  readonly number: number
  readonly sink: string
  readonly alert: OutgoingAlert
}

/** An alert as it goes out: JSON with its key, by which a receiver knows a repeat. */
export interface OutgoingAlert {
  readonly key: string
  readonly analyser: string
  readonly json: string
  readonly timeMs: number
}

/** A record of a derived stream, with the number that it has for ever. */
export interface DerivedRecord {
  readonly sequence: number
  readonly timeMs: number
  /** JSON. */
  readonly value: string
}

/** Next sequence to read, by source. */
export type Positions = Readonly<Record<string, number>>

/**
 * What is kept of analysers, entry by entry. One entry is kept whole or not at all: what a watch knows, the offsets at which it knew it, the
 * alerts it raised and the records it made since the entry before. The latest entry of a watch is the one that counts.
 */
export type StateEntry =
  | {
      readonly kind: 'watch'
      readonly id: string
      readonly subject: string
      readonly fingerprint: string
      readonly at: Positions
      /** Read back it is what was kept; on its way there it may be a {@link StateText}. */
      readonly state: unknown
      readonly alerts: readonly OutboxAlert[]
      readonly derived: readonly DerivedRecord[]
    }
  /** An analyser was seen for the first time: where the sources that were there ended. Sources that come later are read from their beginning. */
  | { readonly kind: 'known'; readonly id: string; readonly at: Positions }
  | { readonly kind: 'delivered'; readonly numbers: readonly number[] }
  /** Alerts and derived records that are on their way, and the next numbers: written when the log of entries is made short. */
  | { readonly kind: 'pending'; readonly nextAlert: number; readonly alerts: readonly OutboxAlert[] }
  | { readonly kind: 'stream'; readonly id: string; readonly next: number; readonly derived: readonly DerivedRecord[] }
  /** Who keeps the entries; `released`: nobody any more. */
  | { readonly kind: 'owner'; readonly core: string; readonly instance: string; readonly released: boolean }
  /** What one core tells the others of alerts, in a partition of its own. */
  | { readonly kind: 'word'; readonly word: AlertWord }

/** A state that is JSON already, as it had to be made to see how long it is: it is not made a second time. */
export class StateText {
  readonly json: string

  constructor(json: string) {
    this.json = json
  }
}

export function encodeEntry(entry: StateEntry): Buffer {
  if (entry.kind !== 'watch' || !(entry.state instanceof StateText)) return Buffer.from(JSON.stringify(entry))
  const { state, ...others } = entry
  return Buffer.from(`${JSON.stringify(others).slice(0, -1)},"state":${state.json}}`)
}

export function decodeEntry(value: Buffer): StateEntry {
  try {
    return JSON.parse(value.toString('utf8')) as StateEntry
  } catch (cause) {
    throw new HeadraceError('internal', 'the state of analysers holds an entry that is none', { cause })
  }
}

export interface KeptWatch {
  readonly fingerprint: string
  readonly at: Positions
  readonly state: unknown
}

export interface KeptStream {
  next: number
  derived: DerivedRecord[]
}

/** What the entries of one shard come to. */
export class StateFold {
  readonly watches = new Map<string, KeptWatch>()
  readonly known = new Map<string, Positions>()
  readonly outbox = new AlertOutbox()
  readonly streams = new Map<string, KeptStream>()
  nextAlert = 0

  take(entry: StateEntry): void {
    switch (entry.kind) {
      case 'watch':
        this.watches.set(watchKey(entry.id, entry.subject), {
          fingerprint: entry.fingerprint,
          at: entry.at,
          state: entry.state,
        })
        this.#takeAlerts(entry.alerts)
        this.#takeDerived(entry.id, entry.derived)
        return
      case 'known':
        this.known.set(entry.id, entry.at)
        return
      case 'delivered':
        for (const number of entry.numbers) this.outbox.delete(number)
        return
      case 'pending':
        this.nextAlert = Math.max(this.nextAlert, entry.nextAlert)
        this.#takeAlerts(entry.alerts)
        return
      case 'stream':
        this.streams.set(entry.id, { next: entry.next, derived: [...entry.derived] })
        return
      case 'owner':
      case 'word':
        return
    }
  }

  #takeAlerts(alerts: readonly OutboxAlert[]): void {
    for (const alert of alerts) {
      this.outbox.add(alert)
      this.nextAlert = Math.max(this.nextAlert, alert.number + 1)
    }
  }

  #takeDerived(id: string, derived: readonly DerivedRecord[]): void {
    const last = derived.at(-1)
    if (!last) return
    const stream = this.streams.get(id)
    if (!stream) this.streams.set(id, { next: last.sequence + 1, derived: [...derived] })
    else {
      stream.derived.push(...derived)
      stream.next = last.sequence + 1
    }
  }
}

/** The name of a watch among those of its shard; ids and subjects have no space. */
export function watchKey(id: string, subject: string): string {
  return `${id} ${subject}`
}

export function parseWatchKey(key: string): { id: string; subject: string } {
  const [id = '', subject = ''] = key.split(' ')
  return { id, subject }
}

export function outgoingAlert(alert: Alert): OutgoingAlert {
  const { key, analyser, source, state, timeMs, message, values, units } = alert
  const json = JSON.stringify({
    key,
    analyser,
    gateway: source?.gateway ?? null,
    source: source?.source ?? null,
    state,
    time_ms: timeMs,
    message,
    values,
    ...(units && { units }),
  })
  return { key, analyser, json, timeMs }
}
