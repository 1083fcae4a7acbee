import { RateMeter } from './rate-meter.ts'
import type { AtGateway, CoreRow, CoreStatus, EdgeRow, EdgeStatus, Message } from './status.ts'

/** One source, from both ends as far as they are seen. */
export interface SourceView {
  readonly key: string
  readonly gateway: string
  readonly source: string
  core?: CoreRow
  edge?: EdgeRow
  /** What its gateway says of it: its own status where it is at hand, otherwise its last report to the core. */
  at?: AtGateway
  /** Records a second: into the log, and from the device. */
  perSecond: number
  readPerSecond: number | undefined
  changedAtMs: number | undefined
  /** Its gateway is not connected and has not been heard for a while. */
  isAway: boolean
}

/** A gateway, as the core sees it. */
export interface GatewayView {
  readonly gateway: string
  readonly session: string | undefined
  readonly since: string | undefined
  /** When it last said how it stands, ms; undefined where it never did. */
  readonly heardMs: number | undefined
  readonly report: CoreStatus['reports'][number] | undefined
  readonly sources: number
}

/** An alarm, with the gateway that raised it where it was not this process. */
export interface Trouble {
  readonly code: string
  readonly source?: string | undefined
  readonly gateway?: string | undefined
  readonly since: string
  readonly message: string
  readonly advice: string
}

export interface Point {
  readonly timeMs: number
  readonly value: number
}

/** Points of the small chart of the whole flow: the last two minutes. */
const FLOW_POINTS_MAX = 120
/** Points of a job's lag: the last ten minutes that the page was open. */
const LAG_POINTS_MAX = 600

/** A gateway that has no session at this core may have one at another; silent for so long as well, it is away. */
const AWAY_AFTER_MS = 90_000

/** What the page knows: taken from messages, read by pages. */
export class Model {
  readonly sources = new Map<string, SourceView>()
  readonly flow: Point[] = []
  readonly lags = new Map<string, Point[]>()
  edge: EdgeStatus | undefined
  core: CoreStatus | undefined
  timeMs = 0
  readonly #stored = new RateMeter()
  readonly #read = new RateMeter()
  #looks = 0

  /** Everything anew. */
  all({ timeMs, sides }: Message): void {
    const here = new Set<string>()
    this.#take(timeMs, sides, here)
    for (const key of this.sources.keys()) if (!here.has(key)) this.sources.delete(key)
  }

  changes({ timeMs, sides }: Message): void {
    this.#take(timeMs, sides, new Set())
  }

  get perSecond(): number {
    return [...this.sources.values()].reduce((sum, { perSecond }) => sum + perSecond, 0)
  }

  /** What needs a person. */
  get troubles(): Trouble[] {
    const own = [...(this.edge?.alarms ?? []), ...(this.core?.alarms ?? [])]
    const reported = (this.core?.reports ?? [])
      .filter(({ gateway }) => gateway !== this.edge?.gateway)
      .flatMap(({ gateway, alarms }) => alarms.map(alarm => ({ ...alarm, gateway })))
    return [...own, ...reported]
  }

  get gateways(): GatewayView[] {
    const { gateways = [], reports = [] } = this.core ?? {}
    const counts = new Map<string, number>()
    for (const { gateway } of this.sources.values()) counts.set(gateway, (counts.get(gateway) ?? 0) + 1)
    const names = new Set([...gateways.map(each => each.gateway), ...reports.map(each => each.gateway)])
    const sessions = new Map(gateways.map(each => [each.gateway, each]))
    const standings = new Map(reports.map(each => [each.gateway, each]))
    return [...names].sort().map(gateway => {
      const report = standings.get(gateway)
      return {
        gateway,
        session: sessions.get(gateway)?.session,
        since: sessions.get(gateway)?.since,
        heardMs: report && Date.parse(report.heard),
        report,
        sources: counts.get(gateway) ?? 0,
      }
    })
  }

  #take(timeMs: number, { edge, core }: Message['sides'], here: Set<string>): void {
    this.timeMs = timeMs
    if (edge) this.edge = { ...this.edge, ...edge }
    if (core) this.core = { ...this.core, ...core }
    for (const row of edge?.sources ?? []) {
      const view = this.#view(`${this.edge?.gateway}/${row.source}`, here)
      view.edge = row
      view.at = row
    }
    for (const row of core?.sources ?? []) {
      const view = this.#view(row.source, here)
      view.core = row
      const at = view.edge ?? row.at_gateway ?? view.at
      if (at) view.at = at
    }
    const present = this.#present()
    for (const view of this.sources.values()) {
      this.#rate(view, timeMs)
      view.isAway = present !== undefined && !present.has(view.gateway) && view.perSecond === 0
    }
    // The first looks know no rate yet.
    if (this.#looks++ > 1) this.flow.push({ timeMs, value: this.perSecond })
    if (this.flow.length > FLOW_POINTS_MAX) this.flow.shift()
    for (const { job, lag } of this.core?.jobs ?? []) this.#lag(job, timeMs, lag)
  }

  /** Gateways that are connected here, or were heard a moment ago; undefined where no core is seen. */
  #present(): Set<string> | undefined {
    if (!this.core) return undefined
    const heard = this.core.reports.filter(each => this.timeMs - Date.parse(each.heard) < AWAY_AFTER_MS)
    const here = [...this.core.gateways, ...heard].map(({ gateway }) => gateway)
    return new Set(this.edge ? [...here, this.edge.gateway] : here)
  }

  #view(key: string, here: Set<string>): SourceView {
    here.add(key)
    const known = this.sources.get(key)
    if (known) return known
    const [gateway = '', source = ''] = key.split('/')
    const view: SourceView = {
      key,
      gateway,
      source,
      perSecond: 0,
      readPerSecond: undefined,
      changedAtMs: undefined,
      isAway: false,
    }
    this.sources.set(key, view)
    return view
  }

  #rate(view: SourceView, timeMs: number): void {
    const stored = this.#stored.take(view.key, timeMs, view.core?.next ?? view.edge?.read ?? 0)
    if (stored.moved) view.changedAtMs = timeMs
    view.perSecond = stored.perSecond
    if (view.at) view.readPerSecond = this.#read.take(view.key, timeMs, view.at.read).perSecond
  }

  #lag(job: string, timeMs: number, lag: number | null): void {
    if (lag === null) return
    const points = this.lags.get(job) ?? []
    this.lags.set(job, points)
    points.push({ timeMs, value: lag })
    if (points.length > LAG_POINTS_MAX) points.shift()
  }
}

export type Tone = 'good' | 'warn' | 'bad' | 'idle'

/** Whether a source is well, for a person; its reason where it is not. */
export function stateOf(view: SourceView): { text: string; tone: Tone } {
  const state = view.at?.state
  if (state === 'frozen' || state === 'failed') return { text: state, tone: 'bad' }
  if (state === 'waiting' || state === 'blocked' || state === 'removed') return { text: state, tone: 'warn' }
  if (view.isAway) return { text: 'gateway away', tone: 'warn' }
  if (view.perSecond > 0) return { text: 'flowing', tone: 'good' }
  return state === undefined || state === 'reading' ? { text: 'still', tone: 'idle' } : { text: state, tone: 'idle' }
}

export function needsLook(view: SourceView): boolean {
  return ['warn', 'bad'].includes(stateOf(view).tone)
}
