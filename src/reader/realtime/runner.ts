import type { Alert, Analyser, Sample } from '../../analyser/analyser.ts'
import type { Claim, Fetched, Log } from '../../log/log.ts'
import { type RecordView, readHeaders, visitRecords } from '../../record/batch-reader.ts'
import { HEADER } from '../../record/record.ts'
import type { Alarms } from '../../runtime/alarms.ts'
import { Backoff } from '../../runtime/backoff.ts'
import { type Clock, pause } from '../../runtime/clock.ts'
import { messageOf } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/logger.ts'
import { matchesSource, type SourceId, sourceKey } from '../../runtime/names.ts'
import type { Ledger } from '../ledger.ts'
import type { AlertDelivery } from './delivery.ts'

/** How long a fetch waits where nothing comes: also how late silence and the end of a window are noticed. */
const FETCH_WAIT_MS = 250
const FETCH_BYTES = 4 * 2 ** 20
/** How soon a source that is new in the log is watched. */
const CLAIMS_EVERY_MS = 1_000
/** State is kept at least this often while records come; after a crash at most so much is read twice. */
const CHECKPOINT_EVERY_MS = 1_000
const RETRY = { firstMs: 200, maxMs: 10_000 }
const CHECKPOINT = 'realtime'
const BRACE_OPEN = 0x7b

export interface AnalyserDefinition {
  readonly name: string
  readonly topic: string
  readonly sources: readonly string[]
  readonly analyser: Analyser
  /** Names of the sinks that its alerts go to. */
  readonly sinks: readonly string[]
}

export interface AnalyserRunnerOptions {
  readonly log: Log
  readonly ledger: Ledger
  readonly definitions: readonly AnalyserDefinition[]
  readonly delivery: AlertDelivery
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  readonly alarms: Alarms
  readonly onAlert?: (alert: Alert) => void
}

interface Watched {
  readonly claim: Claim
  readonly definitions: readonly AnalyserDefinition[]
  next: number
}

interface Checkpoint {
  /** Next sequence to read, by source. */
  readonly cursors: Readonly<Record<string, number>>
  readonly analysers: Readonly<Record<string, unknown>>
}

export interface AnalyserStatus {
  readonly analyser: string
  readonly sources: number
  readonly lag: number
}

/**
 * Feeds all analysers from one pass over the log: each record is fetched and decoded once, whatever the number of analysers.
 *
 *   fetch → samples → alerts → (state, offsets and alerts kept in one transaction) → delivery
 *
 * After a crash it goes on from the offsets of the state it has: the same samples give the same alerts with the same keys.
 */
export class AnalyserRunner {
  readonly #options: AnalyserRunnerOptions
  readonly #watched = new Map<string, Watched>()
  readonly #stopping = new AbortController()
  readonly #ends = new Map<string, number>()
  #cursors: Record<string, number> = {}
  #knowsStart = false
  #claimsReadMs = Number.NEGATIVE_INFINITY
  #keptMs = 0
  #unkept = false
  #loop: Promise<void> | undefined

  constructor(options: AnalyserRunnerOptions) {
    this.#options = options
  }

  start(): void {
    const saved = this.#options.ledger.checkpoint(CHECKPOINT) as Checkpoint | undefined
    if (saved) {
      this.#cursors = { ...saved.cursors }
      this.#knowsStart = true
      for (const { name, analyser } of this.#options.definitions) {
        if (saved.analysers[name] !== undefined) analyser.restore(saved.analysers[name])
      }
    }
    this.#options.delivery.wake()
    if (this.#options.definitions.length > 0) this.#loop = this.#run()
  }

  /** Keeps where it stands, and ends. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('stopping'))
    await this.#loop
    if (this.#unkept) this.#keep([])
    await this.#options.delivery.stop()
  }

  status(): AnalyserStatus[] {
    return this.#options.definitions.map(definition => {
      const watched = [...this.#watched.entries()].filter(([, { definitions }]) => definitions.includes(definition))
      const lag = watched.reduce((sum, [key, { next }]) => sum + Math.max(0, (this.#ends.get(key) ?? next) - next), 0)
      return { analyser: definition.name, sources: watched.length, lag }
    })
  }

  async #run(): Promise<void> {
    const { clock, random, logger, alarms } = this.#options
    const { signal } = this.#stopping
    const backoff = new Backoff(RETRY, random)
    while (!signal.aborted) {
      try {
        await this.#pass(signal)
        backoff.reset()
        alarms.clear('analysers_stalled')
      } catch (error) {
        if (signal.aborted) return
        logger.warn({}, `analysers wait: ${messageOf(error)}`)
        alarms.raise('analysers_stalled', {
          message: `Analysers cannot read the log: ${messageOf(error)}`,
          advice: 'They go on by themselves where they stand as soon as the log can be read.',
        })
        await pause(clock, backoff.nextMs(), signal).catch(() => {})
      }
    }
  }

  async #pass(signal: AbortSignal): Promise<void> {
    const { log, clock, definitions } = this.#options
    if (clock.monotonicMs() - this.#claimsReadMs >= CLAIMS_EVERY_MS) await this.#findSources()
    const cursors = [...this.#watched.values()].map(({ claim, next }) => ({
      topic: claim.topic,
      partition: claim.partition,
      from: next,
    }))
    let fetched: Fetched[] = []
    if (cursors.length > 0) fetched = await log.fetch(cursors, { maxBytes: FETCH_BYTES, waitMs: FETCH_WAIT_MS, signal })
    else await pause(clock, FETCH_WAIT_MS, signal).catch(() => {})

    const raised: { alert: Alert; sinks: readonly string[] }[] = []
    const collect = (definition: AnalyserDefinition, alerts: readonly Alert[]) => {
      for (const alert of alerts) raised.push({ alert, sinks: definition.sinks })
    }
    const watchedByPlace = new Map([...this.#watched.values()].map(watched => [placeKey(watched.claim), watched]))
    for (const part of fetched) {
      const watched = watchedByPlace.get(placeKey(part))
      if (watched) this.#read(watched, part, collect)
    }
    for (const definition of definitions) collect(definition, definition.analyser.tick(clock.wallMs()))
    if (raised.length > 0 || (this.#unkept && clock.monotonicMs() - this.#keptMs >= CHECKPOINT_EVERY_MS)) this.#keep(raised)
  }

  #read(watched: Watched, part: Fetched, collect: (definition: AnalyserDefinition, alerts: readonly Alert[]) => void): void {
    const source = sourceKey(watched.claim.source)
    this.#ends.set(source, part.next)
    if (part.outOfRange) {
      const to = watched.next < part.first ? part.first : part.next
      this.#options.alarms.raise('analyser_gap', {
        source,
        message: `Analysers could not see [${Math.min(watched.next, to)}, ${Math.max(watched.next, to)}) of ${source}: the log does not have it`,
        advice: 'Keep data longer than analysers may be away (retention), or look why the log was cut back.',
      })
      watched.next = to
      this.#unkept = true
      return
    }
    for (const batch of part.batches) {
      const header = visitRecords(batch, view => {
        if (view.sequence < watched.next) return
        const sample = toSample(watched.claim.source, view)
        for (const definition of watched.definitions) collect(definition, definition.analyser.sample(sample))
      })
      watched.next = Math.max(watched.next, header.baseOffset + header.count)
      this.#unkept = true
    }
  }

  /** Sources that were in the log before the analysers were first started are watched from their end on, later ones from their beginning. */
  async #findSources(): Promise<void> {
    const { log, clock, definitions } = this.#options
    const claims = await log.claims()
    const fresh = claims.filter(claim => !this.#watched.has(sourceKey(claim.source)))
    const wanted = fresh
      .map(claim => ({ claim, definitions: definitions.filter(definition => watches(definition, claim)) }))
      .filter(entry => entry.definitions.length > 0)
    const places = wanted.map(entry => entry.claim)
    const ends = places.length > 0 ? await log.ends(places) : new Map()
    for (const { claim, definitions: matching } of wanted) {
      const end = ends.get(claim)
      if (!end) continue
      const key = sourceKey(claim.source)
      const next = this.#cursors[key] ?? (this.#knowsStart ? end.first : end.next)
      this.#watched.set(key, { claim, definitions: matching, next })
    }
    this.#claimsReadMs = clock.monotonicMs()
    if (this.#knowsStart) return
    this.#knowsStart = true
    this.#keep([])
  }

  #keep(raised: readonly { alert: Alert; sinks: readonly string[] }[]): void {
    const { ledger, definitions, delivery, clock, logger, onAlert } = this.#options
    for (const [key, { next }] of this.#watched) this.#cursors[key] = next
    const checkpoint: Checkpoint = {
      cursors: this.#cursors,
      analysers: Object.fromEntries(definitions.map(({ name, analyser }) => [name, analyser.snapshot()])),
    }
    const outbox = raised.flatMap(({ alert, sinks }) => sinks.map(sink => ({ alert: outgoing(alert), sink })))
    ledger.setCheckpoint(CHECKPOINT, checkpoint, outbox)
    this.#keptMs = clock.monotonicMs()
    this.#unkept = false
    for (const { alert } of raised) {
      logger.warn(
        { analyser: alert.analyser, source: sourceKey(alert.source), state: alert.state, key: alert.key },
        alert.message,
      )
      onAlert?.(alert)
    }
    if (outbox.length > 0) delivery.wake()
  }
}

function watches(definition: AnalyserDefinition, claim: Claim): boolean {
  return definition.topic === claim.topic && definition.sources.some(glob => matchesSource(glob, claim.source))
}

function placeKey(place: { topic: string; partition: number }): string {
  return `${place.topic}\0${place.partition}`
}

function outgoing(alert: Alert): string {
  const { key, analyser, source, state, timeMs, message, values } = alert
  const json = JSON.stringify({
    key,
    analyser,
    gateway: source.gateway,
    source: source.source,
    state,
    time_ms: timeMs,
    message,
    values,
  })
  return JSON.stringify({ key, analyser, json, timeMs })
}

function toSample(source: SourceId, view: RecordView): Sample {
  const value = view.valueFrom < 0 ? null : view.bytes.subarray(view.valueFrom, view.valueTo)
  return { source, sequence: view.sequence, timeMs: view.timeMs, value, fields: value ? fieldsOf(value, view) : undefined }
}

/** The value's fields where it is a JSON object; bytes that could not be decoded on the gateway have none. */
function fieldsOf(value: Buffer, view: RecordView): Record<string, unknown> | undefined {
  if (value[0] !== BRACE_OPEN) return undefined
  if (view.headerCount > 1 && readHeaders(view).some(header => header.key === HEADER.decodeError)) return undefined
  try {
    return JSON.parse(value.toString('utf8')) as Record<string, unknown>
  } catch {
    return undefined
  }
}
