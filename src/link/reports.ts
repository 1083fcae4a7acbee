import { type GatewayReport, REPORTED_SOURCES_MAX, type ReportedSource } from '../amqp/gateway-report.ts'
import { type OpenRequest, PROTOCOL_VERSION } from '../amqp/messages.ts'
import type { Clock, Timer } from '../runtime/clock.ts'
import type { Budget } from './budget.ts'
import type { OpeningChannel } from './opening-channel.ts'

/** Between two reports, ms; on a link that costs money they are rarer, and tell of no source that is well. */
const EVERY_MS = 3_000
const METERED_EVERY_MS = 60_000
const METERED_SOURCES_MAX = 20
/** Nothing is new: it is said all the same so often that the core knows how fresh it is, ms. */
const UNCHANGED_EVERY_MS = 30_000
const ANSWER_LIMIT_MS = 10_000

export interface ReportsDeps {
  readonly gateway: string
  readonly instance: string
  readonly clock: Clock
  readonly budget?: Budget | undefined
  /** How the gateway stands, with all of its sources. */
  readonly report: () => GatewayReport
}

/**
 * Tells the core now and then how the gateway stands, for those who look there: on the channel of openings, where nothing that carries records
 * waits for it. One at a time; nobody asks what became of it.
 */
export class Reports {
  readonly #deps: ReportsDeps
  readonly #told = new Map<string, string>()
  #timer: Timer | undefined
  #cursor = 0
  #lastText = ''
  #lastAtMs = Number.NEGATIVE_INFINITY
  /** Which session they are about; another one is a fresh start. */
  #turn = 0

  constructor(deps: ReportsDeps) {
    this.#deps = deps
  }

  /** Reports in a session until {@link end}; the core may be another one, which knows nothing yet. */
  begin(channel: OpeningChannel, session: number): void {
    this.end()
    this.#told.clear()
    this.#lastText = ''
    this.#lastAtMs = Number.NEGATIVE_INFINITY
    void this.#tell(channel, session, this.#turn)
  }

  end(): void {
    this.#turn += 1
    this.#timer?.cancel()
  }

  async #tell(channel: OpeningChannel, session: number, turn: number): Promise<void> {
    const { gateway, instance, clock, budget } = this.#deps
    // Under a budget that allows only what is urgent now, this is not.
    const isAllowed = !budget || budget.floor === Number.NEGATIVE_INFINITY
    const report = isAllowed ? this.#next() : undefined
    if (report) {
      const request: OpenRequest = { version: PROTOCOL_VERSION, gateway, instance, session, sources: [], ask: 'ends', report }
      budget?.spend(JSON.stringify(request).length)
      const { kind } = await channel.ask(request, ANSWER_LIMIT_MS)
      // A core that refuses it outright is not asked again in this session.
      if (kind === 'lost' || kind === 'rejected') return
    }
    if (turn !== this.#turn) return
    const waitMs = budget ? METERED_EVERY_MS : EVERY_MS
    this.#timer = clock.after(waitMs, () => void this.#tell(channel, session, turn), 'background')
  }

  /** What is to be told now; undefined where nothing is new. */
  #next(): GatewayReport | undefined {
    const { report, clock, budget } = this.#deps
    const { sources: all, ...rest } = report()
    const wanted = budget ? all.filter(isTroubled) : all
    const sources = this.#changed(wanted, budget ? METERED_SOURCES_MAX : REPORTED_SOURCES_MAX)
    const { time_ms: _timeMs, ...facts } = rest
    const text = JSON.stringify(facts)
    const nowMs = clock.monotonicMs()
    if (sources.length === 0 && text === this.#lastText && nowMs - this.#lastAtMs < UNCHANGED_EVERY_MS) return undefined
    this.#lastText = text
    this.#lastAtMs = nowMs
    return { ...rest, sources }
  }

  /** Those that are another since they were told, in turn, so that none waits for ever. */
  #changed(all: readonly ReportedSource[], most: number): ReportedSource[] {
    const changed: ReportedSource[] = []
    let looked = 0
    for (; looked < all.length && changed.length < most; looked++) {
      const row = all[(this.#cursor + looked) % all.length]
      if (!row) break
      const text = JSON.stringify(row)
      if (this.#told.get(row.source) === text) continue
      this.#told.set(row.source, text)
      changed.push(row)
    }
    this.#cursor = all.length === 0 ? 0 : (this.#cursor + looked) % all.length
    return changed
  }
}

function isTroubled({ state, dropped, undecoded }: ReportedSource): boolean {
  return state !== 'reading' || dropped > 0 || undecoded > 0
}
