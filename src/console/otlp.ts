import type { Clock, Timer } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import { spanIdOf, traceIdOf } from '../runtime/sampling.ts'

/*
  OTLP/HTTP 1.x, JSON: POST of an ExportTraceServiceRequest
    { resourceSpans: [ { resource, scopeSpans: [ { scope, spans: [ … ] } ] } ] }
  ids in hex, 64-bit numbers as decimal text (opentelemetry-proto, "JSON Protobuf Encoding").
*/

/** What waits to be worked out and sent; past that new ones are dropped, and counted. */
const WAITING_MAX = 512
/** Spans of one request. */
const SPANS_MAX = 2_000
const EXPORT_EVERY_MS = 2_000
const EXPORT_LIMIT_MS = 5_000
/** What could not be sent is tried so often in all. */
const TRIES_MAX = 3
/** SPAN_KIND_INTERNAL. */
const KIND_INTERNAL = 1

/** One step of a followed record; times are the wall clock's, ms. */
export interface Step {
  /** `<gateway>/<source>` */
  readonly source: string
  readonly sequence: number
  readonly name: string
  /** The step that it is part of; undefined: the whole way. */
  readonly parent?: string
  readonly fromMs: number
  readonly toMs: number
  readonly attributes?: Readonly<Record<string, string>>
}

interface Waiting {
  readonly steps: () => readonly Step[]
  tries: number
}

export interface OtlpOptions {
  readonly url: string
  /** `service.name`, and which one of them. */
  readonly service: string
  readonly instance: string
  readonly version: string
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Sends spans to a collector, now and then. What is added costs one place in a bounded queue; steps are worked out when they are sent, and a
 * collector that is away costs nothing but its spans.
 */
export class OtlpExporter {
  readonly #options: OtlpOptions
  #waiting: Waiting[] = []
  #dropped = 0
  #timer: Timer | undefined
  #sending: Promise<void> = Promise.resolve()
  #stopped = false
  /** The collector did not take what it was sent last. */
  #isFailing = false

  constructor(options: OtlpOptions) {
    this.#options = options
  }

  get dropped(): number {
    return this.#dropped
  }

  start(): void {
    this.#timer = this.#options.clock.after(
      EXPORT_EVERY_MS,
      () => {
        this.#sending = this.#flush().finally(() => {
          if (!this.#stopped) this.start()
        })
      },
      'background',
    )
  }

  /** Sends what waits, once, within the limit; to one that is away it was sent in vain just now. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    await this.#sending
    if (!this.#isFailing) await this.#flush()
  }

  add(steps: () => readonly Step[]): void {
    if (this.#waiting.length >= WAITING_MAX) this.#dropped += 1
    else this.#waiting.push({ steps, tries: 0 })
  }

  async #flush(): Promise<void> {
    const { taken, spans } = this.#take()
    if (spans.length === 0) return
    try {
      const response = await fetch(this.#options.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(this.#request(spans)),
        signal: AbortSignal.timeout(EXPORT_LIMIT_MS),
      })
      await response.body?.cancel()
      if (response.status >= 500 || response.status === 429) throw new Error(`it answered ${response.status}`)
      if (response.ok) {
        this.#isFailing = false
        return
      }
      // What it refuses it would refuse again.
      this.#dropped += taken.length
      this.#sayFailed(`it answered ${response.status}, and what it refuses is not sent again`)
    } catch (error) {
      this.#sayFailed(messageOf(error))
      for (const each of taken) each.tries += 1
      const again = taken.filter(({ tries }) => tries < TRIES_MAX)
      this.#dropped += taken.length - again.length
      const waiting = [...again, ...this.#waiting]
      this.#waiting = waiting.slice(0, WAITING_MAX)
      this.#dropped += waiting.length - this.#waiting.length
    }
  }

  /** What goes into the next request; the rest waits for the one after. */
  #take(): { taken: readonly Waiting[]; spans: readonly Step[] } {
    const taken: Waiting[] = []
    const spans: Step[] = []
    for (const waiting of this.#waiting) {
      const steps = waiting.steps()
      if (taken.length > 0 && spans.length + steps.length > SPANS_MAX) break
      taken.push(waiting)
      spans.push(...steps.slice(0, SPANS_MAX))
    }
    this.#waiting = this.#waiting.slice(taken.length)
    return { taken, spans }
  }

  /** Said once, until it takes something again: somebody may have written its address wrongly. */
  #sayFailed(why: string): void {
    const { logger, url } = this.#options
    const message = `spans could not be sent to ${new URL(url).host}: ${why}`
    if (this.#isFailing) logger.debug({}, message)
    else logger.warn({}, message)
    this.#isFailing = true
  }

  #request(steps: readonly Step[]): unknown {
    const { service, instance, version } = this.#options
    const resource = { attributes: attributesOf({ 'service.name': service, 'service.instance.id': instance }) }
    return { resourceSpans: [{ resource, scopeSpans: [{ scope: { name: 'headrace', version }, spans: steps.map(spanOf) }] }] }
  }
}

function spanOf({ source, sequence, name, parent, fromMs, toMs, attributes }: Step): unknown {
  const traceId = traceIdOf(source, sequence)
  return {
    traceId,
    spanId: spanIdOf(traceId, name),
    ...(parent !== undefined && { parentSpanId: spanIdOf(traceId, parent) }),
    name,
    kind: KIND_INTERNAL,
    startTimeUnixNano: nanosOf(fromMs),
    endTimeUnixNano: nanosOf(Math.max(fromMs, toMs)),
    attributes: attributesOf({ 'headrace.source': source, 'headrace.sequence': String(sequence), ...attributes }),
  }
}

/** A double holds a microsecond of these years, and no nanosecond. */
function nanosOf(ms: number): string {
  return `${Math.round(ms * 1_000)}000`
}

function attributesOf(values: Readonly<Record<string, string>>) {
  return Object.entries(values).map(([key, stringValue]) => ({ key, value: { stringValue } }))
}
