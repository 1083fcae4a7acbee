import type { OutboxAlert } from './state-entry.ts'

/** Alerts on their way, by their numbers and by the sinks that they are for: thousands may wait for one sink while another takes what it is told. */
export class AlertOutbox {
  readonly #byNumber = new Map<number, OutboxAlert>()
  /** In order of their numbers; no sink without an alert. */
  readonly #bySink = new Map<string, Map<number, OutboxAlert>>()

  get size(): number {
    return this.#byNumber.size
  }

  /** Sinks for which something waits. */
  sinks(): Iterable<string> {
    return this.#bySink.keys()
  }

  /** How many wait for a sink. */
  waitingFor(sink: string): number {
    return this.#bySink.get(sink)?.size ?? 0
  }

  firstFor(sink: string): OutboxAlert | undefined {
    return this.#bySink.get(sink)?.values().next().value
  }

  all(): OutboxAlert[] {
    return [...this.#byNumber.values()]
  }

  add(alert: OutboxAlert): void {
    this.#byNumber.set(alert.number, alert)
    const own = this.#bySink.get(alert.sink)
    if (own) own.set(alert.number, alert)
    else this.#bySink.set(alert.sink, new Map([[alert.number, alert]]))
  }

  /** Whether it was there. */
  delete(number: number): boolean {
    const alert = this.#byNumber.get(number)
    if (!alert) return false
    this.#byNumber.delete(number)
    const own = this.#bySink.get(alert.sink)
    own?.delete(number)
    if (own?.size === 0) this.#bySink.delete(alert.sink)
    return true
  }
}
