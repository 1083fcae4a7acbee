import type { Message } from '../amqp/amqp.ts'
import { PROPERTY } from '../amqp/messages.ts'
import type { MessageWatch } from '../amqp/watched.ts'
import { OtlpExporter, type Step } from '../console/otlp.ts'
import type { TraceOptions } from '../console/trace-options.ts'
import type { Run } from '../reader/ledger.ts'
import { visitRecords } from '../record/batch-reader.ts'
import { systemClock } from '../runtime/clock.ts'
import type { Logger } from '../runtime/logger.ts'
import { Sampling } from '../runtime/sampling.ts'
import { VERSION } from './version.ts'

/** Records that are followed of one batch, read or run: a run of millions would be a thousand spans. */
const RECORDS_MAX = 50

/** Names of steps; where one is part of another, by these names it is found. */
const STEP = { whole: 'record', buffer: 'buffer', link: 'link', ingress: 'ingress' } as const

/**
 * Follows sampled records from the device to their readers:
 *
 *   record ├─ buffer    from its time until it is sent        gateway
 *          ├─ link      until the core has accepted it        gateway
 *          │    └─ ingress   from its arrival until the log has it   core
 *          ├─ analysers                                       core
 *          └─ batch <job>    the run that read it             core
 */
export class Tracing {
  readonly #sampling: Sampling
  readonly #exporter: OtlpExporter

  constructor({ otlp, rate }: TraceOptions, of: { service: string; instance: string; logger: Logger }) {
    this.#sampling = new Sampling(rate)
    this.#exporter = new OtlpExporter({ url: otlp, version: VERSION, clock: systemClock, ...of })
  }

  start(): void {
    this.#exporter.start()
  }

  stop(): Promise<void> {
    return this.#exporter.stop()
  }

  /** What a gateway sends. */
  sent(): MessageWatch {
    return this.#watch(({ source, message, fromMs, toMs }) =>
      this.#timesOf(source, message).flatMap(([sequence, timeMs]): Step[] => [
        { source, sequence, name: STEP.whole, fromMs: Math.min(timeMs, fromMs), toMs },
        { source, sequence, name: STEP.buffer, parent: STEP.whole, fromMs: Math.min(timeMs, fromMs), toMs: fromMs },
        { source, sequence, name: STEP.link, parent: STEP.whole, fromMs, toMs },
      ]),
    )
  }

  /** What comes to a core. */
  received(): MessageWatch {
    return this.#watch(({ source, message, fromMs, toMs }) => {
      const { sequence, count } = rangeOf(message)
      return this.#sampling
        .within(source, sequence, sequence + count, RECORDS_MAX)
        .map(each => ({ source, sequence: each, name: STEP.ingress, parent: STEP.link, fromMs, toMs }))
    })
  }

  /** Analysers have seen `[from, to)` of a source. */
  analysed(source: string, from: number, to: number, fromMs: number, toMs: number): void {
    if (!this.#sampling.has(source, from, to)) return
    this.#exporter.add(() => this.#within({ source, from, to }, { name: 'analysers', fromMs, toMs }))
  }

  /** A run of a batch job has ended. */
  ran({ id, job, ranges, startedMs, endedMs }: Run): void {
    const toMs = endedMs ?? systemClock.wallMs()
    const step = { name: `batch ${job}`, fromMs: startedMs, toMs, attributes: { 'headrace.run': id } }
    const followed = ranges.filter(({ source, from, to }) => this.#sampling.has(source, from, to)).slice(0, RECORDS_MAX)
    if (followed.length > 0) this.#exporter.add(() => followed.flatMap(range => this.#within(range, step)))
  }

  #within(range: { source: string; from: number; to: number }, step: Omit<Step, 'source' | 'sequence'>): Step[] {
    const { source, from, to } = range
    return this.#sampling
      .within(source, from, to, RECORDS_MAX)
      .map(sequence => ({ ...step, source, sequence, parent: STEP.whole }))
  }

  #watch(steps: (passed: { source: string; message: Message; fromMs: number; toMs: number }) => readonly Step[]): MessageWatch {
    return {
      now: () => systemClock.wallMs(),
      wants: message => {
        const { sequence, count } = rangeOf(message)
        return Number.isSafeInteger(sequence) && this.#sampling.has(sourceOf(message), sequence, sequence + count)
      },
      accepted: (message, fromMs, toMs) => this.#exporter.add(() => steps({ source: sourceOf(message), message, fromMs, toMs })),
    }
  }

  /** Sampled records of a batch, with their own times. */
  #timesOf(source: string, message: Message): [sequence: number, timeMs: number][] {
    const { sequence, count } = rangeOf(message)
    const wanted = new Set(this.#sampling.within(source, sequence, sequence + count, RECORDS_MAX))
    const times: [number, number][] = []
    // A gateway's batch has no base offset, so that its records count from 0.
    let at = sequence
    visitRecords(message.body, ({ timeMs }) => {
      if (wanted.has(at)) times.push([at, timeMs])
      at += 1
    })
    return times
  }
}

function sourceOf({ properties }: Message): string {
  return `${properties[PROPERTY.gateway]}/${properties[PROPERTY.source]}`
}

/** NaN where the message is no batch. */
function rangeOf({ properties }: Message): { sequence: number; count: number } {
  return { sequence: Number(properties[PROPERTY.sequence]), count: Number(properties[PROPERTY.count] ?? 0) }
}
