import { HEADER, type RecordHeader } from '../record/record.ts'
import type { Clock } from '../runtime/clock.ts'
import { HeadraceError, messageOf } from '../runtime/errors.ts'
import { hideSecrets } from '../runtime/hide-secrets.ts'
import type { Logger } from '../runtime/logger.ts'
import { type SourceId, sourceKey } from '../runtime/names.ts'
import type { Tap } from './capture.ts'
import { createDecoder } from './decode/create-decoder.ts'
import type { Decoder } from './decode/decoder.ts'
import type { DecodeOptions } from './decode/options.ts'
import { type DeviceTime, deviceTimeReader, type TimeOptions } from './device-time.ts'
import { createFramer } from './framing/create-framer.ts'
import type { Framer } from './framing/framer.ts'
import { type FrameOptions, LINES } from './framing/options.ts'
import type { SharedParts } from './shared-parts.ts'
import type { Source, SourceContext, SourceKind, SourceState } from './source.ts'
import { StepChain, type StepCounts } from './steps/chain.ts'
import { Flowing } from './steps/flowing.ts'
import type { ChosenStep } from './steps/options.ts'

/** Where records go: the buffer's inlet, seen from here. */
export interface RecordSink {
  append(
    timeMs: number,
    bytes: Buffer,
    from: number,
    to: number,
    headers?: readonly RecordHeader[],
    bookmark?: string | null,
  ): 'taken' | 'dropped' | 'too_large' | 'full'
  bookmark(): string | undefined
  stored(): Promise<void>
  onRoom(call: () => void): void
  recordsStored(): number
  recordsBuffered(): number
}

export interface SourceRunnerOptions {
  readonly id: SourceId
  readonly kind: SourceKind
  readonly options: unknown
  readonly frame: FrameOptions | undefined
  readonly decode: DecodeOptions
  /** Where the device says the event time. */
  readonly time?: TimeOptions | undefined
  readonly steps: readonly ChosenStep[]
  /** The loss that the pipeline declares, ms. */
  readonly durabilityMs: () => number
  readonly sink: RecordSink
  readonly shared: SharedParts
  readonly clock: Clock
  readonly log: Logger
  readonly random: () => number
  /** Gives the records that a runner of the same source had in hand when it was stopped; called once nothing can go wrong any more with this one. */
  readonly leftovers?: () => readonly Held[]
  /** Where it is kept which process the source has started. */
  readonly processFile?: string
}

export interface SourceStatus {
  readonly state: SourceState
  readonly reason: string | null
  readonly read: number
  readonly decode_errors: number
  readonly trouble: Readonly<Record<string, number>>
  readonly steps: readonly StepCounts[]
}

/** A record that waits for room in the buffer. */
export interface Held {
  readonly timeMs: number
  readonly value: Buffer
  readonly headers: readonly RecordHeader[] | undefined
  readonly bookmark: string | null | undefined
}

/** Who captures at once. */
const TAPS_MAX = 4
/** Kinds of trouble that are counted apart; others are counted together. */
const TROUBLES_MAX = 50
/** Beside what is dropped since there is no room: more room would not help it. */
const TOO_LARGE = 'a record was larger than a batch may be'
const CARRIAGE_RETURN = 0x0d

/**
 * One source of a pipeline: what it reads is framed, decoded and handed to the sink.
 *
 *   source ─bytes─► framer ─record─► decoder ─value─► steps ─► sink
 *
 * When the sink is full the source is paused, and what it had in hand is kept until there is room: at most one chunk's records.
 */
export class SourceRunner {
  readonly #options: SourceRunnerOptions
  readonly #decoder: Decoder | undefined
  readonly #framer: Framer | undefined
  readonly #deviceTime: ((value: Buffer) => DeviceTime) | undefined
  readonly #steps: StepChain | undefined
  readonly #source: Source
  readonly #held: Held[] = []
  readonly #heldWaiters: (() => void)[] = []
  readonly #trouble = new Map<string, number>()
  readonly #taps = new Set<Tap>()
  readonly #stripReturn: boolean
  #state: SourceState = 'starting'
  #reason: string | null = null
  #read = 0
  #decodeErrors = 0
  #stopped = false
  /** Until when the source's loop means to take its next turn, on the monotonic clock, ms; undefined where it waits for what may never come. */
  #turnUntilMs: number | undefined

  constructor(options: SourceRunnerOptions) {
    this.#options = options
    this.#decoder = createDecoder(options.decode, what => this.#count(what))
    this.#deviceTime = options.time && deviceTimeReader(options.time)
    this.#steps =
      options.steps.length === 0
        ? undefined
        : new StepChain(options.steps, options.clock, ({ bytes, timeMs, headers, bookmark }) =>
            this.#hand(timeMs, bytes, 0, bytes.length, headers, bookmark),
          )
    this.#stripReturn = options.frame === undefined
    this.#framer = options.kind.gives === 'stream' ? this.#newFramer() : undefined
    this.#source = options.kind.open(options.options, this.#context())
    this.#held.push(...(options.leftovers?.() ?? []))
  }

  get id(): SourceId {
    return this.#options.id
  }

  /** Whether records of it wait for room in the buffer; they go there also after a stop. */
  get holdsRecords(): boolean {
    return this.#held.length > 0
  }

  /** Lets somebody hear what the source brings, before it is framed; what is given ends that. */
  tap(tap: Tap): () => void {
    if (this.#taps.size >= TAPS_MAX) throw new HeadraceError('limit_exceeded', `${TAPS_MAX} captures of this source are running`)
    this.#taps.add(tap)
    return () => this.#taps.delete(tap)
  }

  get gives(): 'stream' | 'messages' {
    return this.#options.kind.gives
  }

  /** For how long the source's loop has stayed away since it meant to take its next turn, ms; 0 where it did not, or has nothing to do. */
  get overdueMs(): number {
    if (this.#turnUntilMs === undefined || (!this.#stopped && this.#held.length > 0)) return 0
    return Math.max(0, this.#options.clock.monotonicMs() - this.#turnUntilMs)
  }

  async start(): Promise<void> {
    if (this.#held.length > 0) this.#waitForRoom()
    try {
      await this.#source.start()
    } catch (error) {
      this.#enter('waiting', messageOf(error))
      this.#options.log.error({ source: sourceKey(this.#options.id) }, `the source could not be started: ${messageOf(error)}`)
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true
    // One that does not let go of its device keeps a change of the configuration waiting, for all sources.
    this.#turnUntilMs = this.#options.clock.monotonicMs()
    await this.#source.stop()
    this.#turnUntilMs = undefined
    // A pause that would end a record is waited for no longer.
    this.#framer?.interrupted()
    this.#steps?.end()
    this.#enter('stopped')
  }

  status(): SourceStatus {
    return {
      state: this.#state,
      reason: this.#reason,
      read: this.#read,
      decode_errors: this.#decodeErrors,
      trouble: Object.fromEntries(this.#trouble),
      steps: this.#steps?.counts() ?? [],
    }
  }

  #context(): SourceContext {
    const { id, clock, log, random, sink, shared, durabilityMs } = this.#options
    return {
      source: id,
      clock,
      log: log.child({ source: sourceKey(id) }),
      random,
      shared,
      durabilityMs,
      pausesMatter: this.#options.frame?.silence !== undefined,
      processFile: this.#options.processFile,
      bytes: (chunk, receivedMs) => {
        for (const tap of this.#taps) tap.bytes(chunk)
        this.#framer?.push(chunk, receivedMs)
        return this.#held.length === 0
      },
      stream: () => {
        const framer = this.#newFramer()
        return {
          bytes: (chunk, receivedMs) => {
            for (const tap of this.#taps) tap.bytes(chunk)
            framer.push(chunk, receivedMs)
            return this.#held.length === 0
          },
          interrupted: () => framer.interrupted(),
          ended: () => {
            if (framer.end) framer.end(clock.wallMs())
            else framer.interrupted()
          },
        }
      },
      message: (value, timeMs, headers, bookmark) => {
        for (const tap of this.#taps) tap.bytes(value)
        this.#value(value, 0, value.length, timeMs, headers, bookmark)
        return this.#held.length === 0
      },
      interrupted: () => {
        for (const tap of this.#taps) tap.interrupted()
        this.#framer?.interrupted()
      },
      stored: () => this.#stored(),
      bookmark: () => sink.bookmark(),
      state: (state, reason) => this.#enter(state, reason),
      trouble: (what, times) => this.#count(what, times),
      turn: withinMs => {
        if (!this.#stopped) this.#turnUntilMs = withinMs === undefined ? undefined : clock.monotonicMs() + withinMs
      },
      recordsRead: () => this.#read,
      recordsStored: () => sink.recordsStored(),
      recordsBuffered: () => sink.recordsBuffered(),
    }
  }

  #newFramer(): Framer {
    return createFramer(this.#options.frame ?? LINES, {
      onFrame: (bytes, from, to, timeMs) => this.#record(bytes, from, to, timeMs),
      onTrouble: what => this.#count(what),
      clock: this.#options.clock,
    })
  }

  #record(bytes: Buffer, from: number, to: number, timeMs: number): void {
    // Unless a delimiter is declared, lines may end either way.
    const end = this.#stripReturn && bytes[to - 1] === CARRIAGE_RETURN ? to - 1 : to
    if (end > from) this.#value(bytes, from, end, timeMs, undefined)
  }

  #value(
    bytes: Buffer,
    from: number,
    to: number,
    timeMs: number,
    headers: readonly RecordHeader[] | undefined,
    bookmark?: string,
  ): void {
    this.#read += 1
    const decoded = this.#decoder?.(bytes, from, to)
    // Apart from the others: a time that may be one or the other is made anew, on the heap, for each record.
    if (!decoded && !this.#deviceTime) this.#process(timeMs, bytes, from, to, headers, bookmark)
    else if (!decoded) this.#process(this.#timeOf(bytes, from, to, timeMs), bytes, from, to, headers, bookmark)
    else if ('held' in decoded) return
    else if ('value' in decoded) {
      const { value } = decoded
      this.#process(this.#timeOf(value, 0, value.length, timeMs), value, 0, value.length, headers, bookmark)
    } else {
      this.#decodeErrors += 1
      const why = { key: HEADER.decodeError, value: Buffer.from(decoded.error) }
      this.#process(timeMs, bytes, from, to, [...(headers ?? []), why], bookmark)
    }
  }

  /** The device's time where the pipeline file says so and there is one; the gateway's otherwise. */
  #timeOf(bytes: Buffer, from: number, to: number, gatewayMs: number): number {
    // A view is an object of its own, for each record: most sources have no use for it.
    const read = this.#deviceTime?.(bytes.subarray(from, to))
    if (!read) return gatewayMs
    if ('timeMs' in read) return read.timeMs
    this.#count(read.missing)
    return gatewayMs
  }

  #process(
    timeMs: number,
    bytes: Buffer,
    from: number,
    to: number,
    headers: readonly RecordHeader[] | undefined,
    bookmark: string | undefined,
  ): void {
    if (this.#steps) this.#steps.take(Flowing.ofBytes(bytes.subarray(from, to), timeMs, headers, bookmark))
    else this.#hand(timeMs, bytes, from, to, headers, bookmark)
  }

  #hand(
    timeMs: number,
    bytes: Buffer,
    from: number,
    to: number,
    headers: readonly RecordHeader[] | undefined,
    bookmark: string | null | undefined,
  ): void {
    if (this.#held.length === 0) {
      const outcome = this.#options.sink.append(timeMs, bytes, from, to, headers, bookmark)
      if (outcome === 'too_large') this.#count(TOO_LARGE)
      if (outcome !== 'full') return
    }
    // The source's memory is used again after the call: what has to wait is copied.
    this.#held.push({ timeMs, value: Buffer.from(bytes.subarray(from, to)), headers, bookmark })
    if (this.#held.length === 1) this.#waitForRoom()
  }

  #waitForRoom(): void {
    this.#source.pause()
    this.#enter('blocked', 'the buffer is full')
    this.#options.sink.onRoom(() => this.#handHeld())
  }

  /**
   * After a stop: gives away the records that wait for room, for the runner that comes after this one. A source that reads again from its bookmark has
   * them again, and gives none; a bookmark alone does not say so.
   */
  leftovers(): readonly Held[] {
    const held = this.#held.splice(0)
    return this.#options.kind.rereads ? [] : held
  }

  /** What waits for room has not been taken yet: nobody may be told that it is stored. */
  async #stored(): Promise<void> {
    while (this.#held.length > 0) await new Promise<void>(resolve => this.#heldWaiters.push(resolve))
    await this.#options.sink.stored()
  }

  #handHeld(): void {
    const { sink } = this.#options
    if (this.#stopped && this.#held.length === 0) return
    while (this.#held[0]) {
      const { timeMs, value, headers, bookmark } = this.#held[0]
      const outcome = sink.append(timeMs, value, 0, value.length, headers, bookmark)
      if (outcome === 'too_large') this.#count(TOO_LARGE)
      if (outcome === 'full') {
        sink.onRoom(() => this.#handHeld())
        return
      }
      this.#held.shift()
    }
    for (const call of this.#heldWaiters.splice(0)) call()
    this.#enter('reading')
    if (this.#stopped) return
    // It was held back, and has its time from now on.
    if (this.#turnUntilMs !== undefined) this.#turnUntilMs = Math.max(this.#turnUntilMs, this.#options.clock.monotonicMs())
    this.#source.resume()
  }

  #enter(state: SourceState, said?: string): void {
    const reason = said === undefined ? undefined : hideSecrets(said)
    if (state === this.#state && (reason ?? null) === this.#reason) return
    this.#state = state
    this.#reason = reason ?? null
    this.#options.log.info({ source: sourceKey(this.#options.id), state, reason }, 'source')
  }

  #count(what: string, times = 1): void {
    const name = this.#trouble.has(what) || this.#trouble.size < TROUBLES_MAX ? what : 'other'
    this.#trouble.set(name, (this.#trouble.get(name) ?? 0) + times)
  }
}
