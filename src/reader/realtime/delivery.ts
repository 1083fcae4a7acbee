import type { Alarms } from '../../runtime/alarms.ts'
import { Backoff } from '../../runtime/backoff.ts'
import { type Clock, settledWithin, type Timer } from '../../runtime/clock.ts'
import { messageOf } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/logger.ts'
import type { AlertOutbox } from './alert-outbox.ts'
import { type AlertSink, SINK_STOP_LIMIT_MS } from './alert-sink.ts'
import type { OutboxAlert } from './state-entry.ts'

const RETRY = { firstMs: 500, maxMs: 60_000 }

/** Alerts that are kept and on their way. */
export interface Outbox {
  readonly outbox: Pick<AlertOutbox, 'sinks' | 'firstFor'>
  delivered(number: number): void
}

export interface DeliveryOptions {
  /** The outboxes that this process has now. */
  readonly outboxes: () => Iterable<Outbox>
  readonly sinks: ReadonlyMap<string, AlertSink>
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  readonly alarms: Alarms
}

/** What one sink is at. */
interface Lane {
  readonly backoff: Backoff
  heldUntilMs: number
  pass: Promise<void> | undefined
  /** It was woken while it was about to end: what it was woken for may have come too late for it. */
  isAsked: boolean
}

/**
 * Brings alerts from outboxes to their sinks: in order for each sink, again until the sink has said that it has it. A sink that fails or is slow
 * holds back its own alerts only.
 */
export class AlertDelivery {
  readonly #options: DeliveryOptions
  readonly #lanes = new Map<string, Lane>()
  #timer: Timer | undefined
  #stopped = false

  constructor(options: DeliveryOptions) {
    this.#options = options
  }

  /** Delivers what lies in the outboxes; called whenever something was put there, and once at start. */
  wake(): void {
    if (this.#stopped) return
    const waiting = new Set<string>()
    for (const { outbox } of this.#options.outboxes()) for (const sink of outbox.sinks()) waiting.add(sink)
    this.wakeSinks(waiting)
  }

  /** The same of these sinks alone, which were just told of: what is for them need not wait for what others say. */
  wakeSinks(sinks: Iterable<string>): void {
    if (this.#stopped) return
    for (const sink of sinks) this.#start(sink)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    const passes = Promise.all([...this.#lanes.values()].map(({ pass }) => pass))
    await settledWithin(this.#options.clock, SINK_STOP_LIMIT_MS, passes)
    for (const sink of this.#options.sinks.values()) sink.close?.()
  }

  #start(sink: string): void {
    let lane = this.#lanes.get(sink)
    if (!lane) {
      lane = { backoff: new Backoff(RETRY, this.#options.random), heldUntilMs: 0, pass: undefined, isAsked: false }
      this.#lanes.set(sink, lane)
    }
    if (lane.pass) lane.isAsked = true
    if (lane.pass || this.#options.clock.monotonicMs() < lane.heldUntilMs) return
    const started = lane
    started.isAsked = false
    started.pass = this.#deliverTo(sink, started).finally(() => {
      started.pass = undefined
      if (started.isAsked && !this.#stopped) this.#start(sink)
      this.#sleep()
    })
  }

  /** Until the first sink that is held back may be tried again. */
  #sleep(): void {
    const nowMs = this.#options.clock.monotonicMs()
    const held = [...this.#lanes.values()].map(({ heldUntilMs }) => heldUntilMs).filter(atMs => atMs > nowMs)
    this.#timer?.cancel()
    if (this.#stopped || held.length === 0) return
    this.#timer = this.#options.clock.after(Math.max(1, Math.min(...held) - nowMs), () => {
      this.wake()
      // Others are held for longer, and nobody else may come to wake them.
      this.#sleep()
    })
  }

  async #deliverTo(name: string, lane: Lane): Promise<void> {
    const { sinks, logger, alarms } = this.#options
    const sink = sinks.get(name)
    for (let next = this.#first(name); next && !this.#stopped; next = this.#first(name)) {
      const { outbox, entry } = next
      try {
        // A sink that the pipeline file no longer has cannot be told anything more.
        if (sink) await sink.deliver(entry.alert)
        else logger.warn({ sink: name }, 'an alert was for a sink that is not configured any more: dropped')
        outbox.delivered(entry.number)
        lane.backoff.reset()
        alarms.clear('alert_undelivered', name)
      } catch (error) {
        // It was let go of: that says nothing of the receiver.
        if (this.#stopped) return
        this.#holdBack(name, lane, messageOf(error))
        return
      }
    }
  }

  #first(sink: string): { outbox: Outbox; entry: OutboxAlert } | undefined {
    for (const outbox of this.#options.outboxes()) {
      const entry = outbox.outbox.firstFor(sink)
      if (entry) return { outbox, entry }
    }
    return undefined
  }

  #holdBack(name: string, lane: Lane, reason: string): void {
    const { clock, alarms, logger } = this.#options
    const delayMs = lane.backoff.nextMs()
    lane.heldUntilMs = clock.monotonicMs() + delayMs
    logger.warn({ sink: name, delayMs }, `an alert could not be delivered: ${reason}`)
    alarms.raise('alert_undelivered', {
      source: name,
      message: `Alerts of ${name} cannot be delivered: ${reason}`,
      advice: 'Look at the receiver; alerts are kept and tried again until it takes them.',
    })
  }
}
