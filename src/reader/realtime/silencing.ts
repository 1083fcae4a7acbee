import { type Clock, settledWithin, type Timer } from '../../runtime/clock.ts'
import { messageOf } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/logger.ts'
import type { AlertBook } from './alert-book.ts'
import { type AlertSink, SINK_STOP_LIMIT_MS } from './alert-sink.ts'
import type { HeldAlert } from './held-alerts.ts'
import type { OutgoingAlert } from './state-entry.ts'

/** How often it is looked whether a silence has ended, ms. */
const LOOK_EVERY_MS = 2_000

/** A sink that is told nothing of what is silenced: that is held in the book instead. `name` begins with the analyser's id. */
export function silencedSink(name: string, sink: AlertSink, book: AlertBook): AlertSink {
  const [id = ''] = name.split(' ')
  return {
    async deliver(alert) {
      const { source, state } = aboutOf(alert)
      const about = { sink: name, id, source: source ?? '' }
      if (!book.isSilenced(id, source) && !book.held.has(about)) await sink.deliver(alert)
      else book.held.hold({ ...about, state, key: alert.key, json: alert.json, timeMs: alert.timeMs })
    },
    close: () => sink.close?.(),
  }
}

/** Tells sinks, when a silence has ended, what still holds of that which they were not told. */
export class SilenceWatch {
  readonly #book: AlertBook
  readonly #sinks: ReadonlyMap<string, AlertSink>
  readonly #clock: Clock
  readonly #logger: Logger
  #timer: Timer | undefined
  #looking: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(parts: { book: AlertBook; sinks: ReadonlyMap<string, AlertSink>; clock: Clock; logger: Logger }) {
    this.#book = parts.book
    this.#sinks = parts.sinks
    this.#clock = parts.clock
    this.#logger = parts.logger
  }

  start(): void {
    this.#looking = this.look().finally(() => {
      if (!this.#stopped) this.#timer = this.#clock.after(LOOK_EVERY_MS, () => this.start(), 'background')
    })
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    await settledWithin(this.#clock, SINK_STOP_LIMIT_MS, this.#looking)
  }

  /** Each sink for itself, in order. What one does not take now stays in the book until the next look, with all that is behind it. */
  async look(): Promise<void> {
    const bySink = Map.groupBy(this.#book.released(), ({ sink }) => sink)
    await Promise.all([...bySink].map(([sink, released]) => this.#tell(sink, released)))
  }

  /** One that is not configured any more cannot be told. */
  async #tell(sink: string, released: readonly HeldAlert[]): Promise<void> {
    for (const held of released) {
      if (this.#stopped) return
      const analyser = held.id.slice(held.id.indexOf('.') + 1)
      try {
        this.#book.held.telling(held)
        await this.#sinks.get(sink)?.deliver({ key: held.key, analyser, json: held.json, timeMs: held.timeMs })
        this.#book.held.told(held)
      } catch (error) {
        this.#logger.warn({ sink }, `an alert that was silenced could not be delivered: ${messageOf(error)}`)
        return
      }
    }
  }
}

function aboutOf({ json }: OutgoingAlert): { source: string | null; state: string } {
  const { gateway, source, state } = JSON.parse(json) as { gateway?: string | null; source?: string | null; state: string }
  return { source: source ? `${gateway}/${source}` : null, state }
}
