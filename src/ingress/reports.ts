import type { GatewayReport, ReportedSource } from '../amqp/gateway-report.ts'
import type { Clock } from '../runtime/clock.ts'

/** Gateways whose reports are kept; the one that was silent for longest is forgotten for a new one. */
const GATEWAYS_MAX = 2_000
/** Sources of all of them together; those that come later are not kept. */
const SOURCES_MAX = 50_000

/** The last that a gateway said of itself. */
export interface GatewayStanding {
  readonly gateway: string
  /** Wall clock of this core when it came, ms. */
  readonly heardMs: number
  readonly report: Omit<GatewayReport, 'sources'>
  readonly sources: ReadonlyMap<string, ReportedSource>
}

/** What gateways say of themselves (docs/protocol.md, "Reports"): in memory, for those who look. */
export class GatewayReports {
  readonly #standings = new Map<
    string,
    { gateway: string; heardMs: number; report: GatewayReport; sources: Map<string, ReportedSource> }
  >()
  readonly #clock: Clock
  #sources = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  hear(gateway: string, report: GatewayReport): void {
    const known = this.#standings.get(gateway)
    if (!known && this.#standings.size >= GATEWAYS_MAX) this.#forgetOldest()
    const sources = known?.sources ?? new Map<string, ReportedSource>()
    for (const row of report.sources) {
      if (!sources.has(row.source)) {
        if (this.#sources >= SOURCES_MAX) continue
        this.#sources += 1
      }
      sources.set(row.source, row)
    }
    // The latest comes last, so that the first is the one that was silent for longest.
    this.#standings.delete(gateway)
    this.#standings.set(gateway, { gateway, heardMs: this.#clock.wallMs(), report, sources })
  }

  forget(gateway: string): void {
    this.#sources -= this.#standings.get(gateway)?.sources.size ?? 0
    this.#standings.delete(gateway)
  }

  list(): GatewayStanding[] {
    return [...this.#standings.values()]
  }

  #forgetOldest(): void {
    const [oldest] = this.#standings.keys()
    if (oldest !== undefined) this.forget(oldest)
  }
}
