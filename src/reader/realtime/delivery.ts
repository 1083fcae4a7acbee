import type { Alarms } from '../../runtime/alarms.ts'
import { Backoff } from '../../runtime/backoff.ts'
import type { Clock, Timer } from '../../runtime/clock.ts'
import { messageOf } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/logger.ts'
import type { Ledger, OutboxEntry } from '../ledger.ts'
import type { AlertSink, OutgoingAlert } from './alert-sink.ts'

const RETRY = { firstMs: 500, maxMs: 60_000 }
/** Alerts looked at in one pass, over all sinks. */
const PASS_MAX = 500

export interface DeliveryOptions {
  readonly ledger: Ledger
  readonly sinks: ReadonlyMap<string, AlertSink>
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  readonly alarms: Alarms
}

/**
 * Brings alerts from the ledger's outbox to their sinks: in order for each sink, again until the sink has said that it has it. A sink that
 * fails holds back its own alerts only.
 */
export class AlertDelivery {
  readonly #options: DeliveryOptions
  readonly #backoff = new Map<string, Backoff>()
  readonly #heldUntilMs = new Map<string, number>()
  #pass: Promise<void> | undefined
  #again = false
  #timer: Timer | undefined
  #stopped = false

  constructor(options: DeliveryOptions) {
    this.#options = options
  }

  /** Delivers what lies in the outbox; called whenever something was put there, and once at start. */
  wake(): void {
    this.#again = true
    if (this.#stopped || this.#pass) return
    this.#timer?.cancel()
    this.#pass = this.#deliverAll().finally(() => {
      this.#pass = undefined
      if (this.#again) this.wake()
      else this.#sleep()
    })
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    await this.#pass
  }

  /** Until the first sink that is held back may be tried again. */
  #sleep(): void {
    if (this.#stopped || this.#heldUntilMs.size === 0) return
    const delayMs = Math.max(1, Math.min(...this.#heldUntilMs.values()) - this.#options.clock.monotonicMs())
    this.#timer = this.#options.clock.after(delayMs, () => this.wake())
  }

  async #deliverAll(): Promise<void> {
    this.#again = false
    const bySink = Map.groupBy(this.#options.ledger.outbox(PASS_MAX), entry => entry.sink)
    await Promise.all([...bySink].map(([sink, entries]) => this.#deliverTo(sink, entries)))
    if (!this.#stopped && [...bySink.values()].flat().length === PASS_MAX && this.#heldUntilMs.size === 0) this.#again = true
  }

  async #deliverTo(name: string, entries: readonly OutboxEntry[]): Promise<void> {
    const { ledger, sinks, clock, logger, alarms } = this.#options
    if (clock.monotonicMs() < (this.#heldUntilMs.get(name) ?? 0)) return
    this.#heldUntilMs.delete(name)
    const sink = sinks.get(name)
    for (const entry of entries) {
      if (this.#stopped) return
      try {
        // A sink that the pipeline file no longer has cannot be told anything more.
        if (sink) await sink.deliver(JSON.parse(entry.alert) as OutgoingAlert)
        else logger.warn({ sink: name }, 'an alert was for a sink that is not configured any more: dropped')
        ledger.delivered(entry.number)
        this.#backoff.get(name)?.reset()
        alarms.clear('alert_undelivered', name)
      } catch (error) {
        this.#holdBack(name, messageOf(error))
        return
      }
    }
  }

  #holdBack(name: string, reason: string): void {
    const { clock, random, alarms, logger } = this.#options
    let backoff = this.#backoff.get(name)
    if (!backoff) {
      backoff = new Backoff(RETRY, random)
      this.#backoff.set(name, backoff)
    }
    const delayMs = backoff.nextMs()
    this.#heldUntilMs.set(name, clock.monotonicMs() + delayMs)
    logger.warn({ sink: name, delayMs }, `an alert could not be delivered: ${reason}`)
    alarms.raise('alert_undelivered', {
      source: name,
      message: `Alerts of ${name} cannot be delivered: ${reason}`,
      advice: 'Look at the receiver; alerts are kept and tried again until it takes them.',
    })
  }
}
