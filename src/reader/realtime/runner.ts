import type { Alert, Sample } from '../../analyser/analyser.ts'
import { SampleRun } from '../../analyser/sample-run.ts'
import type { Claim, Fetched, Log } from '../../log/log.ts'
import { placeKey } from '../../log/place-key.ts'
import { visitRecords } from '../../record/batch-reader.ts'
import type { Alarms } from '../../runtime/alarms.ts'
import { Backoff } from '../../runtime/backoff.ts'
import { type Clock, pause } from '../../runtime/clock.ts'
import { messageOf } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/logger.ts'
import { sourceKey } from '../../runtime/names.ts'
import type { AlertSink } from './alert-sink.ts'
import { type AnalyserStatus, type LastAlertOf, statusOf } from './analyser-status.ts'
import { type AnalyserDefinition, shardOfWatch, watchesSource } from './definition.ts'
import { AlertDelivery } from './delivery.ts'
import { DerivedStreams } from './derived-streams.ts'
import { type FedBatch, Feed } from './feed.ts'
import { Keeping } from './keeping.ts'
import { NO_FIELDS } from './known-fields.ts'
import { Ownership } from './ownership.ts'
import type { RunningWatch } from './running-watch.ts'
import { sampleOfView } from './sample.ts'
import { type Look, SourcesInLog } from './seen-sources.ts'
import type { Owner, ShardLog } from './shard-log.ts'
import { ShardState, UNDELIVERED_MAX } from './shard-state.ts'
import { forgetFailures, sayFailed } from './watch-failures.ts'

/** How long a fetch waits where nothing comes: also how late silence and the end of a window are noticed. */
const FETCH_WAIT_MS = 250
const FETCH_BYTES = 4 * 2 ** 20
/** There may be thousands of watches: the clock is not told to all of them after each fetch. */
const TICK_EVERY_MS = 100
/** How soon a source that is new in the log is watched. */
const CLAIMS_EVERY_MS = 1_000
/** While too much is on its way, it is looked so often whether some has got there. */
const FULL_PAUSE_MS = 50
/** It is said when it has been too much for so long, ms: what arrives at once may come in thousands. */
const FULL_SAID_AFTER_MS = 5_000
const RETRY = { firstMs: 200, maxMs: 10_000 }
/** Batches that are read between two looks at the clock. */
const LOOK_EVERY_BATCHES = 16
const MEND = 'Mend it and start the core again: it goes on with the records from before the failure.'

export interface AnalyserRunnerOptions {
  readonly log: Log
  readonly definitions: readonly AnalyserDefinition[]
  readonly sinks: ReadonlyMap<string, AlertSink>
  /** This core, and this run of it. */
  readonly owner: Owner
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  readonly alarms: Alarms
  /** With the analyser's id. */
  readonly onAlert?: (alert: Alert, id: string) => void
  /** What {@link onAlert} was told of each, over restarts. */
  readonly lastAlertOf?: LastAlertOf
  /** They have seen records [from, to) of a source; wall clock, ms. */
  readonly onRead?: (source: string, from: number, to: number, fromMs: number, toMs: number) => void
}

/** A source that is read, and who sees its records. */
interface Watched {
  readonly claim: Claim
  readonly key: string
  readonly watches: RunningWatch[]
  next: number
  /** The end of its partition when it was last read. */
  end: number
}

/**
 * Feeds all analysers from one pass over the log: each record is fetched and decoded once, whatever the number of analysers.
 *
 *   fetch → samples → alerts and derived records → all of it kept with state and offsets, in one entry of the log → delivery
 *
 * Nothing goes out before it is kept; while one part of what was said is being kept, the next is read, and no more. After a crash, this core or another goes on from what was kept: windows are the same, alerts that were on
 * their way are told again with the same keys, and derived records lie at the numbers that were kept with them.
 */
export class AnalyserRunner {
  readonly #options: AnalyserRunnerOptions
  readonly #shards = new Map<number, ShardState>()
  readonly #watched = new Map<string, Watched>()
  readonly #byPlace = new Map<string, Watched>()
  /** Whether the feed goes on where the watches stand: not after something was fed that they did not see. */
  #isAligned = false
  readonly #streams: DerivedStreams
  readonly #delivery: AlertDelivery
  readonly #ownership: Ownership
  readonly #feed: Feed
  readonly #keeping: Keeping
  readonly #stopping = new AbortController()
  /** What was found beside the reading is taken up between two passes: shards that this core has by now, and sources. */
  readonly #taken = new Map<number, ShardLog>()
  #found: Look | undefined
  #looking: Promise<void> | undefined
  #lookedMs = Number.NEGATIVE_INFINITY
  #tickedMs = Number.NEGATIVE_INFINITY
  readonly #sources: SourcesInLog
  #loop: Promise<void> | undefined
  /** Since when too much is on its way, on the monotonic clock, ms; undefined where it is not. */
  #fullSinceMs: number | undefined

  constructor(options: AnalyserRunnerOptions) {
    const { log, clock, random, logger, alarms, sinks, owner, definitions } = options
    this.#options = options
    this.#feed = new Feed(log)
    this.#sources = new SourcesInLog({ log, clock, definitions })
    this.#ownership = new Ownership({ log, clock, logger, owner })
    this.#delivery = new AlertDelivery({ outboxes: () => this.#shards.values(), sinks, clock, random, logger, alarms })
    this.#keeping = new Keeping({
      shards: this.#shards,
      clock,
      onAlert: this.#onAlert,
      onKept: () => this.#streams.wake(this.#shards),
    })
    this.#streams = new DerivedStreams(definitions, { log, clock, random, alarms })
  }

  start(): void {
    if (this.#options.definitions.length > 0) this.#loop = this.#run()
  }

  /** Keeps where it stands, gives its shards to others, and ends. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('stopping'))
    await this.#loop
    await this.#looking
    this.#feed.close()
    await this.#keeping.settled()
    await this.#delivery.stop()
    await this.#streams.settled()
    const { logger, clock, alarms } = this.#options
    for (const [number, shard] of this.#shards) {
      forgetFailures(alarms, shard.watches.values())
      try {
        if ((await shard.keep({ monotonicMs: clock.monotonicMs(), all: true }, this.#onAlert)) === 'kept') await shard.release()
      } catch (error) {
        logger.warn({ shard: number }, `shard ${number} of the analysers could not be given up: ${messageOf(error)}`)
      }
    }
    for (const log of this.#taken.values())
      await log.append([{ kind: 'owner', ...this.#options.owner, released: true }]).catch(() => 'lost')
  }

  status(): AnalyserStatus[] {
    const { definitions, lastAlertOf = () => null } = this.#options
    return statusOf(definitions, [...this.#shards.values()], [...this.#watched.values()], lastAlertOf)
  }

  /** Shards that this core keeps. */
  get shards(): number[] {
    return [...this.#shards.keys()].sort((a, b) => a - b)
  }

  async #run(): Promise<void> {
    const { clock, random, logger, alarms } = this.#options
    const { signal } = this.#stopping
    const backoff = new Backoff(RETRY, random)
    while (!signal.aborted) {
      try {
        await this.#pass(signal)
        backoff.reset()
        if (this.#fullSinceMs === undefined) alarms.clear('analysers_stalled')
      } catch (error) {
        if (signal.aborted) return
        logger.warn({}, `analysers wait: ${messageOf(error)}`)
        alarms.raise('analysers_stalled', {
          message: `Analysers cannot use the log: ${messageOf(error)}`,
          advice: 'They go on by themselves where they stand as soon as the log can be read and written.',
        })
        await pause(clock, backoff.nextMs(), signal).catch(() => {})
      }
    }
  }

  async #pass(signal: AbortSignal): Promise<void> {
    this.#look()
    // What was said and could not be kept goes first: nothing may be read over it.
    if (this.#found || this.#keeping.mustWait) await this.#keep()
    await this.#takeUp()
    const isFull = this.#looksFull()
    if (isFull || this.#watched.size === 0) {
      await this.#keep()
      await pause(this.#options.clock, isFull ? FULL_PAUSE_MS : FETCH_WAIT_MS, signal).catch(() => {})
      return
    }
    if (!this.#isAligned) this.#align()
    const { batches, parts } = await this.#feed.next({ maxBytes: FETCH_BYTES, waitMs: FETCH_WAIT_MS, signal })
    this.#isAligned = false
    let isMoved = false
    for (const part of parts) {
      const watched = this.#byPlace.get(placeKey(part))
      if (watched) isMoved = this.#seeBounds(watched, part) || isMoved
    }
    for (const [index, batch] of batches.entries()) {
      const watched = this.#byPlace.get(placeKey(batch))
      if (watched) this.#read(watched, batch)
      const isMuch = watched?.watches.some(watch => watch.hasSaidMuch)
      if (!isMuch && (index % LOOK_EVERY_BATCHES > 0 || !this.#keeping.isDue)) continue
      // What is left of the fetch is fetched again where shards were lost: others may see those sources now.
      if ((await (isMuch ? this.#keep() : this.#handOn())) === 'lost' || signal.aborted) return
    }
    this.#isAligned = !isMoved
    this.#tick()
    await this.#handOn()
  }

  /** Whether too much is on its way for more to be read; where it stays so, it is said that analysers see nothing. */
  #looksFull(): boolean {
    const { clock, alarms } = this.#options
    const nowMs = clock.monotonicMs()
    if (![...this.#shards.values()].some(shard => shard.isFull)) this.#fullSinceMs = undefined
    else this.#fullSinceMs ??= nowMs
    if (this.#fullSinceMs === undefined) return false
    if (nowMs - this.#fullSinceMs >= FULL_SAID_AFTER_MS)
      alarms.raise('analysers_stalled', {
        message: `Analysers look at nothing: ${UNDELIVERED_MAX} alerts, or records of a derived stream, have not arrived, and there is no room for more`,
        advice:
          'See `alert_undelivered` and `stream_stalled` for what keeps them; analysers go on where they stand once some have arrived.',
      })
    return true
  }

  #align(): void {
    this.#feed.setCursors(
      [...this.#watched.values()].map(({ claim: { topic, partition }, next }) => ({ topic, partition, from: next })),
    )
    this.#isAligned = true
  }

  /** Says whether it is to be read from elsewhere. */
  #seeBounds(watched: Watched, part: Fetched): boolean {
    watched.end = part.next
    if (!part.outOfRange) return false
    const to = watched.next < part.first ? part.first : part.next
    this.#options.alarms.raise('analyser_gap', {
      source: watched.key,
      message: `Analysers could not see [${Math.min(watched.next, to)}, ${Math.max(watched.next, to)}) of ${watched.key}: the log does not have it`,
      advice: 'Keep data longer than analysers may be away (retention), or look why the log was cut back.',
    })
    this.#moveTo(watched, to)
    return true
  }

  #read(watched: Watched, batch: FedBatch): void {
    const { claim, key, watches } = watched
    const nowMs = this.#options.clock.wallMs()
    const monotonicMs = this.#options.clock.monotonicMs()
    const sampled = { source: claim.source, key, facts: claim.fields ?? NO_FIELDS }
    const samples: Sample[] = []
    visitRecords(batch.bytes, view => {
      if (view.sequence >= watched.next) samples.push(sampleOfView(sampled, view, nowMs))
    })
    const run = new SampleRun(samples)
    for (const watch of watches) watch.take(run, monotonicMs)
    this.#options.onRead?.(key, watched.next, batch.next, nowMs, this.#options.clock.wallMs())
    this.#moveTo(watched, Math.max(watched.next, batch.next))
  }

  #moveTo(watched: Watched, next: number): void {
    watched.next = next
    // A watch that failed stays where it was: it is tried again from there when the core is started anew.
    for (const watch of watched.watches) if (watch.failure === undefined) watch.setFloor(watched.key, next)
  }

  /** The clock is told to those whose sources are read to their ends: while one is behind, its silence is not known yet. */
  #tick(): void {
    const monotonicMs = this.#options.clock.monotonicMs()
    if (monotonicMs - this.#tickedMs < TICK_EVERY_MS) return
    this.#tickedMs = monotonicMs
    const behind = new Set<RunningWatch>()
    for (const { next, end, watches } of this.#watched.values()) if (next < end) for (const watch of watches) behind.add(watch)
    const nowMs = this.#options.clock.wallMs()
    for (const shard of this.#shards.values())
      for (const watch of shard.watches.values()) {
        if (!behind.has(watch)) watch.tick(nowMs, monotonicMs)
        if (watch.failure !== undefined) sayFailed(this.#options.alarms, watch, MEND)
      }
  }

  /** What was said so far is kept, or will be, while the next is read. Says whether shards were lost, by now. */
  async #handOn(): Promise<'kept' | 'lost'> {
    return this.#lose(await this.#keeping.handOn())
  }

  async #keep(): Promise<'kept' | 'lost'> {
    return this.#lose(await this.#keeping.keep())
  }

  readonly #onAlert = (definition: AnalyserDefinition, alert: Alert): void => {
    const { analyser, source, state, key, message } = alert
    this.#options.logger.warn({ analyser, source: source && sourceKey(source), state, key }, message)
    this.#options.onAlert?.(alert, definition.id)
    this.#delivery.wakeSinks(definition.sinks)
  }

  /** Another core keeps the shards: what this one knows of them is not true any more. */
  #lose(shards: readonly number[]): 'kept' | 'lost' {
    for (const number of shards) {
      this.#options.logger.info({ shard: number }, `another core keeps shard ${number} of the analysers now`)
      forgetFailures(this.#options.alarms, this.#shards.get(number)?.watches.values() ?? [])
      this.#shards.delete(number)
      this.#ownership.lost(number)
    }
    if (shards.length === 0) return 'kept'
    this.#arrange()
    return 'lost'
  }

  /** Looks for shards and sources beside the reading: an answer of the log is nothing that records should wait for. */
  #look(): void {
    const { clock, logger } = this.#options
    if (this.#looking || this.#found || clock.monotonicMs() - this.#lookedMs < CLAIMS_EVERY_MS) return
    this.#looking = this.#lookAround()
      .catch(error => logger.warn({}, `analysers could not look for sources: ${messageOf(error)}`))
      .finally(() => {
        this.#looking = undefined
        this.#lookedMs = clock.monotonicMs()
      })
  }

  async #lookAround(): Promise<void> {
    await this.#streams.describe(this.#shards)
    await this.#sources.start(this.#taken.size > 0)
    await this.#ownership.look(this.#shards.keys(), this.#taken)
    this.#found = await this.#sources.look(this.#taken.size > 0)
  }

  async #takeUp(): Promise<void> {
    const found = this.#found
    if (!found) return
    for (const [number, log] of this.#taken) {
      const shard = new ShardState(log, this.#options.owner)
      await this.#streams.start(number, shard)
      this.#shards.set(number, shard)
      this.#taken.delete(number)
    }
    this.#found = undefined
    // What was kept before they were taken up is told now: of what is said from here on its sinks are told.
    this.#delivery.wake()
    this.#sources.take(found)
    this.#streams.look([...this.#sources.all.values()].map(({ claim }) => claim))
    this.#arrange()
  }

  /** Who sees which source, after shards or sources came or went. */
  #arrange(): void {
    const { definitions } = this.#options
    for (const definition of definitions) {
      const ends = this.#sources.endsFor(definition)
      for (const shard of this.#shards.values()) shard.know(definition, ends)
    }
    const before = new Map(this.#watched)
    this.#watched.clear()
    this.#byPlace.clear()
    this.#isAligned = false
    for (const [key, { claim, end }] of this.#sources.all) {
      const watches: RunningWatch[] = []
      for (const definition of definitions) {
        if (!watchesSource(definition, claim.source, claim.topic)) continue
        const shard = this.#shards.get(shardOfWatch(definition, claim.source))
        if (shard) watches.push(shard.watchFor(definition, claim.source, key, end.first, end.next))
      }
      if (watches.length === 0) continue
      for (const watch of watches) watch.know(key, claim.fields ?? NO_FIELDS)
      const floors = watches.filter(watch => watch.failure === undefined).map(watch => watch.floor(key) ?? end.first)
      const next = floors.length > 0 ? Math.min(...floors) : (before.get(key)?.next ?? end.next)
      const watched = { claim, key, watches, next, end: Math.max(end.next, before.get(key)?.end ?? 0) }
      this.#watched.set(key, watched)
      this.#byPlace.set(placeKey(claim), watched)
    }
  }
}
