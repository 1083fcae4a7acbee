export interface Alarm {
  readonly code: string
  readonly source?: string
  readonly since: string
  readonly message: string
  readonly advice: string
}

export interface EdgeRow {
  readonly source: string
  readonly pipeline: string | null
  readonly state: string
  readonly reason: string | null
  readonly read: number
  readonly decode_errors: number
  readonly dropped: number
  readonly next: number
  readonly settled: number
  readonly buffered: { readonly records: number; readonly bytes: number; readonly oldest: string | null }
  readonly topic: string
  readonly partition: number | null
}

export interface CoreRow {
  readonly source: string
  readonly topic: string
  readonly partition: number
  readonly first: number | null
  readonly next: number | null
}

export interface Job {
  readonly job: string
  readonly next_run: string | null
  readonly lag: number | null
  readonly last_run: {
    readonly id: string
    readonly state: string
    readonly ended: string | null
    readonly records: number
    readonly error: string | null
  } | null
}

export interface EdgeStatus {
  readonly gateway: string
  readonly link: { readonly state: string; readonly peer: string | null; readonly session: string | null; readonly since: string }
  readonly disk: { readonly quota_bytes: number; readonly used_bytes: number; readonly written_bytes: number }
  readonly sources: readonly EdgeRow[]
  readonly alarms: readonly Alarm[]
}

export interface CoreStatus {
  readonly log: { readonly engine: string; readonly identity: string }
  readonly gateways: readonly { readonly gateway: string; readonly session: string; readonly since: string }[]
  readonly sources: readonly CoreRow[]
  readonly jobs: readonly Job[]
  readonly analysers: readonly { readonly analyser: string; readonly sources: number; readonly lag: number }[]
  readonly alarms: readonly Alarm[]
}

export interface Message {
  readonly timeMs: number
  readonly sides: { readonly edge?: EdgeStatus; readonly core?: CoreStatus }
}

/** One source, from both ends as far as they are seen. */
export interface SourceView {
  readonly key: string
  core?: CoreRow
  edge?: EdgeRow
  /** Records a second over the last few looks. */
  perSecond: number
  changedAtMs: number | undefined
}

/** Looks over which a rate is taken: devices that speak once in some seconds would flicker otherwise. */
const RATE_LOOKS = 5
/** Points of the small chart of the whole flow: the last two minutes. */
const FLOW_POINTS_MAX = 120

/** What the page knows: taken from messages, read by pages. */
export class Model {
  readonly sources = new Map<string, SourceView>()
  readonly flow: { timeMs: number; perSecond: number }[] = []
  edge: EdgeStatus | undefined
  core: CoreStatus | undefined
  timeMs = 0
  readonly #counts = new Map<string, { timeMs: number; count: number }[]>()

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

  get alarms(): Alarm[] {
    return [...(this.edge?.alarms ?? []), ...(this.core?.alarms ?? [])]
  }

  #take(timeMs: number, { edge, core }: Message['sides'], here: Set<string>): void {
    this.timeMs = timeMs
    if (edge) this.edge = edge
    if (core) this.core = core
    for (const row of edge?.sources ?? []) {
      const view = this.#view(`${edge?.gateway}/${row.source}`, here)
      view.edge = row
    }
    for (const row of core?.sources ?? []) {
      const view = this.#view(row.source, here)
      view.core = row
    }
    for (const view of this.sources.values()) this.#rate(view, timeMs)
    this.flow.push({ timeMs, perSecond: this.perSecond })
    if (this.flow.length > FLOW_POINTS_MAX) this.flow.shift()
  }

  #view(key: string, here: Set<string>): SourceView {
    here.add(key)
    const known = this.sources.get(key)
    if (known) return known
    const view: SourceView = { key, perSecond: 0, changedAtMs: undefined }
    this.sources.set(key, view)
    return view
  }

  #rate(view: SourceView, timeMs: number): void {
    const count = view.core?.next ?? view.edge?.read ?? 0
    const counts = this.#counts.get(view.key) ?? []
    this.#counts.set(view.key, counts)
    if (counts.at(-1) && counts.at(-1)?.count !== count) view.changedAtMs = timeMs
    counts.push({ timeMs, count })
    if (counts.length > RATE_LOOKS + 1) counts.shift()
    const [oldest] = counts
    const spanMs = oldest ? timeMs - oldest.timeMs : 0
    view.perSecond = oldest && spanMs > 0 ? Math.max(0, ((count - oldest.count) * 1_000) / spanMs) : 0
  }
}

/** Whether a source is well, for a person; its reason where it is not. */
export function stateOf(view: SourceView): { text: string; tone: 'good' | 'warn' | 'bad' | 'idle' } {
  const state = view.edge?.state
  if (state === 'frozen') return { text: 'frozen', tone: 'bad' }
  if (state === 'waiting' || state === 'blocked' || state === 'removed') return { text: state, tone: 'warn' }
  if (view.perSecond > 0) return { text: 'flowing', tone: 'good' }
  return state === undefined ? { text: 'still', tone: 'idle' } : { text: state, tone: 'idle' }
}
