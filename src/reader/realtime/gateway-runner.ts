import type { Alert } from '../../analyser/analyser.ts'
import { SampleRun } from '../../analyser/sample-run.ts'
import type { Fields } from '../../record/fields.ts'
import type { RecordHeader } from '../../record/record.ts'
import type { Alarms } from '../../runtime/alarms.ts'
import type { Clock, Timer } from '../../runtime/clock.ts'
import { messageOf } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/logger.ts'
import { type SourceId, sourceKey } from '../../runtime/names.ts'
import type { AlertSink } from './alert-sink.ts'
import type { LastAlertOf } from './analyser-status.ts'
import { type AnalyserDefinition, watchesSource } from './definition.ts'
import { AlertDelivery } from './delivery.ts'
import type { FileKeeper } from './file-keeper.ts'
import { NO_FIELDS } from './known-fields.ts'
import type { RunningWatch } from './running-watch.ts'
import { sampleOf } from './sample.ts'
import { ShardState, UNDELIVERED_MAX } from './shard-state.ts'
import { forgetFailures, sayFailed } from './watch-failures.ts'

/** How often the clock is told, and state that is due is kept, ms. */
const TICK_EVERY_MS = 250
/** Records that wait to be stored before they are looked at; past that the newest are not looked at, with an alarm. */
const WAITING_MAX = 100_000
const MEND = 'Mend it and start the agent again.'
/** Why records are not looked at. */
const SLOW_DISK = {
  why: 'the disk is too slow for what arrives',
  advice: 'Give the analysers less to do, or the gateway a faster disk.',
}
const ALERTS_WAIT = {
  why: `${UNDELIVERED_MAX} alerts wait for their receivers, and there is no room for more`,
  advice: 'See `alert_undelivered` for what keeps them; they look again once some have arrived.',
}

/** A record of a source, with memory of its own. */
export interface TakenRecord {
  readonly timeMs: number
  readonly value: Buffer
  readonly headers: readonly RecordHeader[]
}

/** What a source that is tapped is asked. */
export interface TappedSource {
  /** Resolves when all that was taken before is on disk. */
  stored(): Promise<void>
  /** What is known of its fields now. */
  fields(): Fields | undefined
}

interface Tapped {
  readonly source: SourceId
  readonly key: string
  readonly watches: readonly RunningWatch[]
  readonly fields: TappedSource['fields']
  next: number
  waiting: TakenRecord[]
  /** Records that were looked at since it is tapped: those that wait come after them. */
  looked: number
  asked: boolean
  /** Some were not looked at, and that is said. */
  isBehind: boolean
}

export interface GatewayRunnerOptions {
  readonly gateway: string
  readonly definitions: readonly AnalyserDefinition[]
  readonly sinks: ReadonlyMap<string, AlertSink>
  readonly keeper: FileKeeper
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  readonly alarms: Alarms
  /** With the analyser's id. */
  readonly onAlert?: (alert: Alert, id: string) => void
  /** What {@link onAlert} was told of each, over restarts. */
  readonly lastAlertOf?: LastAlertOf
}

export interface GatewayAnalyserStatus {
  readonly analyser: string
  readonly state: 'running' | 'failed'
  readonly sources: number
  readonly last_alert: string | null
  readonly undelivered: number
}

/** A source's records on their way into the buffer, to be looked at when they are stored. */
export interface Tap {
  take(timeMs: number, bytes: Buffer, from: number, to: number, headers?: readonly RecordHeader[]): void
}

/**
 * Analysers on a gateway: they see each record once it is on the gateway's disk, whether the core can be reached or not. State is kept like
 * on the core, on the gateway's disk; what was stored in the seconds before a crash and not kept yet is not looked at again.
 */
export class GatewayRunner {
  readonly #options: GatewayRunnerOptions
  readonly #state: ShardState
  readonly #delivery: AlertDelivery
  readonly #tapped = new Map<string, Tapped>()
  #timer: Timer | undefined
  #keeping: Promise<unknown> | undefined
  #stopped = false

  constructor(options: GatewayRunnerOptions) {
    const { keeper, sinks, clock, random, logger, alarms } = options
    this.#options = options
    this.#state = new ShardState(keeper, null)
    this.#delivery = new AlertDelivery({ outboxes: () => [this.#state], sinks, clock, random, logger, alarms })
  }

  start(): void {
    this.#delivery.wake()
    this.#sleep()
  }

  /** Keeps where all stand, and gives the records that were taken and not looked at, by the name of their source: whoever comes after this looks at them. */
  async stop(): Promise<ReadonlyMap<string, readonly TakenRecord[]>> {
    this.#stopped = true
    this.#timer?.cancel()
    await this.#keeping
    await this.#keep('all')
    await this.#delivery.stop()
    const { keeper, alarms } = this.#options
    keeper.close()
    for (const { key } of this.#tapped.values()) alarms.clear('analysers_behind', key)
    forgetFailures(alarms, this.#state.watches.values())
    return new Map([...this.#tapped.values()].map(({ source, waiting }) => [source.source, waiting]))
  }

  /** Undefined where no analyser watches the source. */
  tap(name: string, topic: string, { stored, fields }: TappedSource): Tap | undefined {
    const { gateway, definitions } = this.#options
    const source = { gateway, source: name }
    const key = sourceKey(source)
    const wanted = definitions.filter(definition => watchesSource(definition, source, topic))
    if (wanted.length === 0) return undefined
    for (const definition of wanted) this.#state.know(definition, {})
    const watches = wanted.map(definition => this.#state.watchFor(definition, source, key, 0))
    for (const watch of watches) watch.know(key, fields() ?? NO_FIELDS)
    // Numbers go on where they were: what a watch has seen it would not look at again.
    const next = Math.max(...watches.map(watch => watch.floor(key) ?? 0))
    const tapped: Tapped = { source, key, watches, fields, next, waiting: [], looked: 0, asked: false, isBehind: false }
    this.#tapped.set(key, tapped)
    return {
      take: (timeMs, bytes, from, to, headers = []) => {
        if (tapped.waiting.length >= WAITING_MAX) return this.#sayBehind(tapped, SLOW_DISK)
        if (this.#state.isFull) return this.#sayBehind(tapped, ALERTS_WAIT)
        tapped.waiting.push({ timeMs, value: Buffer.from(bytes.subarray(from, to)), headers })
        if (tapped.asked) return
        tapped.asked = true
        // Asked in the next tick, for all that this one took.
        setImmediate(() => this.#whenStored(tapped, stored))
      },
    }
  }

  status(): GatewayAnalyserStatus[] {
    const { definitions, lastAlertOf = () => null } = this.#options
    return definitions.map(({ id, name, sinks }) => {
      const own = [...this.#state.watches.values()].filter(watch => watch.definition.id === id)
      return {
        analyser: name,
        state: own.some(watch => watch.failure !== undefined) ? 'failed' : 'running',
        sources: [...this.#tapped.values()].filter(({ watches }) => watches.some(watch => own.includes(watch))).length,
        last_alert: lastAlertOf(id),
        undelivered: sinks.reduce((sum, sink) => sum + this.#state.outbox.waitingFor(sink), 0),
      }
    })
  }

  #whenStored(tapped: Tapped, stored: () => Promise<void>): void {
    const taken = tapped.looked + tapped.waiting.length
    tapped.asked = false
    stored()
      .then(() => this.#look(tapped, taken))
      .catch(error => this.#options.logger.warn({ source: tapped.key }, `analysers could not look: ${messageOf(error)}`))
  }

  /** Those before `taken` are on disk; others may have come since. */
  #look(tapped: Tapped, taken: number): void {
    const count = taken - tapped.looked
    if (this.#stopped || count <= 0) return
    tapped.looked = taken
    const nowMs = this.#options.clock.wallMs()
    const monotonicMs = this.#options.clock.monotonicMs()
    const { source, key } = tapped
    const facts = tapped.fields() ?? NO_FIELDS
    for (const watch of tapped.watches) watch.know(key, facts)
    const samples = tapped.waiting.splice(0, count).map(({ timeMs, value, headers }) => {
      const sequence = tapped.next++
      return sampleOf({ source, key, facts }, { sequence, timeMs, value, headers }, nowMs)
    })
    const run = new SampleRun(samples)
    for (const watch of tapped.watches) {
      watch.take(run, monotonicMs)
      if (watch.failure === undefined) watch.setFloor(tapped.key, tapped.next)
    }
    if (tapped.isBehind && tapped.waiting.length === 0) {
      tapped.isBehind = false
      this.#options.alarms.clear('analysers_behind', key)
    }
    if (tapped.watches.some(watch => watch.hasSaid)) void this.#keep()
  }

  #sleep(): void {
    if (this.#stopped) return
    this.#timer = this.#options.clock.after(TICK_EVERY_MS, () => {
      const { clock, alarms } = this.#options
      for (const watch of this.#state.watches.values()) {
        if (!this.#state.isFull) watch.tick(clock.wallMs(), clock.monotonicMs())
        if (watch.failure !== undefined) sayFailed(alarms, watch, MEND)
      }
      void this.#keep().finally(() => this.#sleep())
    })
  }

  /** Keeps what is to be kept, one time after another, then delivers. */
  #keep(all?: 'all'): Promise<void> {
    const before = this.#keeping ?? Promise.resolve()
    const pass = before.then(async () => {
      const monotonicMs = this.#options.clock.monotonicMs()
      try {
        await this.#state.keep({ monotonicMs, ...(all && { all: true as const }) }, (definition, alert) =>
          this.#say(definition, alert),
        )
        this.#options.alarms.clear('analysers_stalled')
      } catch (error) {
        this.#options.alarms.raise('analysers_stalled', {
          message: `Analysers cannot keep their state: ${messageOf(error)}`,
          advice: 'Look at the disk; they go on by themselves when it can be written.',
        })
      }
      this.#delivery.wake()
    })
    this.#keeping = pass
    return pass
  }

  #say({ id }: AnalyserDefinition, alert: Alert): void {
    const { analyser, source, state, key, message } = alert
    this.#options.logger.warn({ analyser, source: source && sourceKey(source), state, key }, message)
    this.#options.onAlert?.(alert, id)
  }

  #sayBehind(tapped: Tapped, { why, advice }: { readonly why: string; readonly advice: string }): void {
    const source = tapped.key
    tapped.isBehind = true
    this.#options.alarms.raise('analysers_behind', {
      source,
      message: `Analysers do not see all records of ${source}: ${why}`,
      advice: `Nothing is lost to the core. ${advice}`,
    })
  }
}
