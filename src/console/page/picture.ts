import { h } from './dom.ts'
import { FlowDrawing } from './flow-drawing.ts'
import { bytes, number } from './format.ts'
import type { Model, SourceView } from './model.ts'
import { RateMeter } from './rate-meter.ts'

export interface Pipeline {
  readonly pipeline: string
  readonly topic: string
  readonly sources: readonly { readonly source: string; readonly kind: string }[]
  readonly jobs: readonly { readonly job: string; readonly sources: readonly string[]; readonly schedule: string | null }[]
  readonly analysers: readonly { readonly analyser: string; readonly sources: readonly string[] }[]
}

/** Sources that are drawn one by one; more would be a wall, and stand in one box with their sum. */
const SOURCES_DRAWN_MAX = 12
/** A phone: the picture stands upright. */
const NARROW = '(max-width: 640px)'

/** One pipeline: devices → gateway buffer → topic → readers, and what flows on every edge. */
export class Picture {
  readonly node: HTMLElement
  readonly #model: Model
  readonly #pipeline: Pipeline
  readonly #drawing: FlowDrawing
  readonly #readers = new RateMeter()
  readonly #names: ReadonlySet<string>
  /** Its sources, as they are at this update. */
  #views: readonly SourceView[] = []

  constructor(pipeline: Pipeline, model: Model) {
    this.#model = model
    this.#pipeline = pipeline
    this.#names = new Set(pipeline.sources.map(({ source }) => source))
    const { sources, jobs, analysers, topic } = pipeline
    const groups = sources.length > SOURCES_DRAWN_MAX ? [sources] : sources.map(source => [source])
    const label = `From ${sources.length} sources to the topic ${topic} and on to ${jobs.length + analysers.length} readers`
    const counts = { sources: groups.length, readers: jobs.length + analysers.length }
    const drawing = new FlowDrawing(counts, label, matchMedia(NARROW).matches)
    this.#drawing = drawing
    for (const [index, group] of groups.entries()) this.#drawSources(group, index)
    this.#drawMiddle()
    this.#drawReaders()
    this.node = h(
      'section',
      { class: 'card' },
      h('h2', {}, pipeline.pipeline),
      h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': `Picture of ${pipeline.pipeline}` }, drawing.node),
    )
  }

  update(): void {
    const { topic } = this.#pipeline
    this.#views = [...this.#model.sources.values()].filter(
      view => this.#names.has(view.source) && (view.core ?? view.edge)?.topic === topic,
    )
    this.#drawing.update()
  }

  #drawSources(group: Pipeline['sources'], index: number): void {
    const drawing = this.#drawing
    const names = new Set(group.map(({ source }) => source))
    const own = () => this.#views.filter(({ source }) => names.has(source))
    const kinds = [...new Set(group.map(({ kind }) => kind))].join(', ')
    const label = group.length > 1 ? `${group.length} sources` : (group[0]?.source ?? '')
    drawing.arrow(drawing.place(0, index), drawing.place(1), () => sum(own(), view => view.readPerSecond ?? view.perSecond))
    drawing.box(drawing.place(0, index), label, () => kinds)
  }

  #drawMiddle(): void {
    const drawing = this.#drawing
    const all = () => this.#views
    drawing.arrow(drawing.place(1), drawing.place(2), () => sum(all(), view => view.perSecond))
    drawing.box(drawing.place(1), 'gateway buffer', () => {
      const views = all()
      const gateways = new Set(views.map(({ gateway }) => gateway)).size
      const waiting = sum(views, view => view.at?.buffered.records ?? 0)
      const size = sum(views, view => view.at?.buffered.bytes ?? 0)
      const where = gateways === 1 ? (views[0]?.gateway ?? '') : `${gateways} gateways`
      return `${where}: ${waiting === 0 ? 'nothing waits' : size === 0 ? `${number(waiting)} on their way` : `${number(waiting)} wait, ${bytes(size)}`}`
    })
    const total = () => `${all().length} partitions, ${number(sum(all(), view => view.core?.next ?? 0))}`
    drawing.box(drawing.place(2), this.#pipeline.topic, total, 'key')
  }

  #drawReaders(): void {
    const { jobs, analysers } = this.#pipeline
    const drawing = this.#drawing
    const readers = [
      ...jobs.map(({ job, sources, schedule }) => ({
        name: job,
        sources,
        what: schedule === null ? 'by hand' : schedule,
        lag: () => this.#jobLag(job),
      })),
      ...analysers.map(({ analyser, sources }) => ({
        name: analyser,
        sources,
        what: 'analyser',
        lag: () => this.#analyserLag(analyser),
      })),
    ]
    for (const [index, { name, sources, what, lag }] of readers.entries()) {
      const place = drawing.place(3, index)
      const reads = matcherOf(sources)
      const read = () => {
        const end = sum(this.#views.filter(reads), view => view.core?.next ?? 0)
        return this.#readers.take(name, this.#model.timeMs, end - (lag() ?? 0)).perSecond
      }
      drawing.arrow(drawing.place(2), place, read)
      drawing.box(place, name.slice(name.indexOf('.') + 1), () => `${what}, lag ${number(lag())}`)
    }
  }

  #jobLag(name: string): number | null {
    return this.#model.core?.jobs.find(({ job }) => job === name)?.lag ?? null
  }

  #analyserLag(name: string): number | null {
    return this.#model.core?.analysers.find(({ analyser, pipeline }) => `${pipeline}.${analyser}` === name)?.lag ?? null
  }
}

function sum(views: readonly SourceView[], of: (view: SourceView) => number): number {
  return views.reduce((total, view) => total + of(view), 0)
}

/** Globs over a source's name, or, with a slash in it, over its gateway and name. */
function matcherOf(globs: readonly string[]): (view: SourceView) => boolean {
  const patterns = globs.map(glob => {
    const pattern = glob
      .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll(/\*+/g, '[^/]*')
      .replaceAll('?', '[^/]')
    return { isWhole: glob.includes('/'), expression: new RegExp(`^${pattern}$`) }
  })
  return ({ key, source }) => patterns.some(({ isWhole, expression }) => expression.test(isWhole ? key : source))
}
