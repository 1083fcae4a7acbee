import { get } from './api.ts'
import { empty, h, s, setText } from './dom.ts'
import { number, rate } from './format.ts'
import type { Model, SourceView } from './model.ts'
import type { PageMaker } from './page.ts'

interface Pipeline {
  readonly pipeline: string
  readonly topic: string
  readonly sources: readonly { readonly source: string; readonly kind: string }[]
  readonly jobs: readonly { readonly job: string; readonly sources: readonly string[] }[]
  readonly analysers: readonly { readonly analyser: string; readonly sources: readonly string[] }[]
}

/** Sources that are drawn one by one; more would be a wall, and stand in one box with their sum. */
const SOURCES_DRAWN_MAX = 12
const ROW = 64
const BOX = { width: 190, height: 46 }
const COLUMNS = [10, 330, 600, 880]

/** Each pipeline as a picture, from device to partition to readers, with what flows. */
export const pipelinesPage: PageMaker = ({ model }) => {
  const place = h('div', { class: 'page' }, h('div', { class: 'card' }, empty('Loading', 'One moment.')))
  const node = h('div', { class: 'page' }, h('h1', {}, 'Pipelines'), place)
  let pictures: Picture[] = []
  get<Pipeline[]>('/api/core/pipelines').then(
    found => {
      pictures = found.map(pipeline => new Picture(pipeline, model))
      const nothing = h(
        'div',
        { class: 'card' },
        empty(
          'This core knows no pipeline',
          'List pipeline files under `pipelines` in core.yaml: then their jobs and analysers run here.',
        ),
      )
      place.replaceChildren(...(pictures.length > 0 ? pictures.map(picture => picture.node) : [nothing]))
      for (const picture of pictures) picture.update()
    },
    (error: Error) => place.replaceChildren(h('div', { class: 'card' }, empty('The pipelines could not be read', error.message))),
  )
  return {
    title: 'Pipelines',
    node,
    update() {
      for (const picture of pictures) picture.update()
    },
  }
}

class Picture {
  readonly node: HTMLElement
  readonly #model: Model
  readonly #pipeline: Pipeline
  readonly #updates: (() => void)[] = []

  constructor(pipeline: Pipeline, model: Model) {
    this.#model = model
    this.#pipeline = pipeline
    const { sources, jobs, analysers, topic } = pipeline
    const groups = sources.length > SOURCES_DRAWN_MAX ? [sources] : sources.map(source => [source])
    const readers = [
      ...jobs.map(each => ({ ...each, name: each.job, what: 'batch job' })),
      ...analysers.map(each => ({ ...each, name: each.analyser, what: 'analyser' })),
    ]
    const rows = Math.max(groups.length, readers.length, 1)
    const height = rows * ROW + 26
    const middle = (height - 26) / 2 + 20
    const svg = s('svg', {
      class: 'flow',
      viewBox: `0 0 ${(COLUMNS[3] ?? 0) + BOX.width + 10} ${height}`,
      role: 'img',
      'aria-label': `From ${sources.length} sources to the topic ${topic} and on to ${readers.length} readers`,
    })
    const at = (count: number, index: number) => 20 + ((index + 0.5) * (height - 26)) / count
    for (const [index, group] of groups.entries()) {
      const y = at(groups.length, index)
      const [first] = group
      const label = group.length > 1 ? `${group.length} sources` : (first?.source ?? '')
      const kinds = [...new Set(group.map(({ kind }) => kind))].join(', ')
      this.#box(svg, 0, y, label, () => kinds)
      this.#arrow(svg, 0, y, 1, middle, () => sum(this.#views(group), view => view.perSecond))
    }
    const all = () => this.#views(sources)
    this.#box(svg, 1, middle, 'gateway buffer', () =>
      this.#model.edge
        ? `${number(sum(all(), view => view.edge?.buffered.records ?? 0))} waiting`
        : `${gatewaysOf(all())} gateways`,
    )
    this.#arrow(svg, 1, middle, 2, middle, () => sum(all(), view => view.perSecond))
    this.#box(
      svg,
      2,
      middle,
      topic,
      () => `${all().length} partitions, ${number(sum(all(), view => view.core?.next ?? 0))}`,
      true,
    )
    for (const [index, reader] of readers.entries()) {
      const y = at(readers.length, index)
      this.#arrow(svg, 2, middle, 3, y, () => sum(all(), view => view.perSecond))
      this.#box(
        svg,
        3,
        y,
        reader.name.split('.')[1] ?? reader.name,
        () => `${reader.what}, lag ${number(this.#lagOf(reader.name))}`,
      )
    }
    this.node = h(
      'section',
      { class: 'card' },
      h('h2', {}, pipeline.pipeline),
      h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': `Picture of ${pipeline.pipeline}` }, svg),
    )
  }

  update(): void {
    for (const update of this.#updates) update()
  }

  #views(sources: readonly { readonly source: string }[]): SourceView[] {
    const names = new Set(sources.map(({ source }) => source))
    return [...this.#model.sources.values()].filter(
      view => names.has(view.key.split('/')[1] ?? '') && (view.core ?? view.edge)?.topic === this.#pipeline.topic,
    )
  }

  #lagOf(name: string): number | null | undefined {
    const { core } = this.#model
    return (
      core?.jobs.find(({ job }) => job === name)?.lag ??
      core?.analysers.find(({ analyser }) => analyser === name || analyser === name.split('.')[1])?.lag
    )
  }

  #box(svg: SVGElement, column: number, y: number, label: string, more: () => string, isKey = false): void {
    const x = COLUMNS[column] ?? 0
    const soft = s('text', { x: x + 12, y: y + 14, class: 'soft' })
    svg.append(
      s('rect', { x, y: y - BOX.height / 2, width: BOX.width, height: BOX.height, rx: 9, class: isKey ? 'key' : '' }),
      s('text', { x: x + 12, y: y - 4 }, label.length > 24 ? `${label.slice(0, 23)}…` : label),
      soft,
    )
    this.#updates.push(() => setText(soft, more()))
  }

  #arrow(svg: SVGElement, from: number, y1: number, to: number, y2: number, flow: () => number): void {
    const x1 = (COLUMNS[from] ?? 0) + BOX.width
    const x2 = COLUMNS[to] ?? 0
    const path = s('path', { d: `M${x1} ${y1} C${(x1 + x2) / 2} ${y1} ${(x1 + x2) / 2} ${y2} ${x2} ${y2}` })
    svg.prepend(path)
    const label = s('text', {
      x: from === 0 ? x1 + 36 : (x1 + x2) / 2,
      y: y1 > y2 ? y1 + 20 : y1 - 9,
      class: 'soft',
      'text-anchor': 'middle',
    })
    if (from < 2) svg.append(label)
    this.#updates.push(() => {
      const perSecond = flow()
      path.setAttribute('class', perSecond > 0 ? 'flows' : '')
      setText(label, rate(perSecond))
    })
  }
}

function sum(views: readonly SourceView[], of: (view: SourceView) => number): number {
  return views.reduce((total, view) => total + of(view), 0)
}

function gatewaysOf(views: readonly SourceView[]): number {
  return new Set(views.map(({ key }) => key.split('/')[0])).size
}
