import { TimeChart } from './chart.ts'
import { empty, h, setText } from './dom.ts'
import { ago, bytes, compact, number, rate } from './format.ts'
import { type Alarm, type Model, type SourceView, stateOf } from './model.ts'
import type { PageMaker } from './page.ts'

/** The chart of the whole flow shows this long, ms. */
const FLOW_SPAN_MS = 120_000

/** The first page: is everything well, what flows, what needs a person. */
export const overviewPage: PageMaker = ({ model }) => {
  const tiles = new Tiles(model)
  const alarms = h('section', { 'aria-label': 'What needs a person', class: 'page' })
  const chartNode = h('div', { class: 'chart', role: 'img', 'aria-label': 'Records a second over the last two minutes' })
  const table = new SourceTable(model)
  const node = h(
    'div',
    { class: 'page' },
    h('h1', {}, 'Overview'),
    tiles.node,
    alarms,
    h('section', { class: 'card' }, h('h2', {}, 'Records a second'), chartNode),
    table.node,
  )
  let chart: TimeChart | undefined
  let shown = ''
  return {
    title: 'Overview',
    node,
    update() {
      tiles.update()
      const said = JSON.stringify(model.alarms)
      if (said !== shown) alarms.replaceChildren(...model.alarms.map(alarmCard))
      alarms.hidden = model.alarms.length === 0
      shown = said
      chart ??= new TimeChart(chartNode, ['records a second'], { height: 200, spanMs: FLOW_SPAN_MS })
      chart.set(
        model.flow.map(({ timeMs }) => timeMs),
        [model.flow.map(({ perSecond }) => perSecond)],
      )
      table.update()
    },
    leave: () => chart?.end(),
  }
}

export function alarmCard({ message, advice, source, since, code }: Alarm): HTMLElement {
  return h(
    'article',
    { class: 'card alarm' },
    h('h2', {}, source === undefined ? code : `${code}: ${source}`),
    h('p', {}, message),
    h('p', {}, h('strong', {}, 'What to do: '), advice),
    h('p', { class: 'soft' }, `since ${since.replace('T', ' ').slice(0, 19)} UTC`),
  )
}

class Tiles {
  readonly node = h('section', { class: 'tiles', 'aria-label': 'In short' })
  readonly #model: Model
  readonly #values = new Map<string, { tile: HTMLElement; value: HTMLElement; more: HTMLElement }>()

  constructor(model: Model) {
    this.#model = model
    for (const label of ['Records a second', 'Sources', 'On gateways', 'Link', 'Alarms']) {
      const value = h('div', { class: 'value' }, '–')
      const more = h('div', { class: 'more' })
      const tile = h('div', { class: 'tile' }, h('div', { class: 'label' }, label), value, more)
      this.#values.set(label, { tile, value, more })
      this.node.append(tile)
    }
  }

  update(): void {
    const { core, edge, sources, alarms, perSecond } = this.#model
    const views = [...sources.values()]
    const troubled = views.filter(view => ['warn', 'bad'].includes(stateOf(view).tone)).length
    const total = views.reduce((sum, view) => sum + (view.core?.next ?? view.edge?.settled ?? 0), 0)
    this.#set('Records a second', compact(perSecond), `${compact(total)} in the log`)
    this.#set('Sources', number(views.length), troubled === 0 ? 'all well' : `${troubled} need a look`, troubled > 0)
    const buffered = edge?.sources.length ? views.reduce((sum, view) => sum + (view.edge?.buffered.records ?? 0), 0) : undefined
    this.#set(
      'On gateways',
      buffered === undefined ? '–' : compact(buffered),
      edge ? `records buffered; ${bytes(edge.disk.written_bytes)} written to disk` : 'seen on the gateway only',
    )
    const gateways = core?.gateways.length
    this.#set(
      'Link',
      edge ? edge.link.state : number(gateways),
      edge ? (edge.link.peer ?? 'no core') : 'gateways connected',
      edge !== undefined && edge.link.state !== 'sending',
    )
    this.#set('Alarms', number(alarms.length), alarms.length === 0 ? 'nobody is needed' : 'somebody is needed', alarms.length > 0)
  }

  #set(label: string, value: string, more: string, isBad = false): void {
    const at = this.#values.get(label)
    if (!at) return
    setText(at.value, value)
    setText(at.more, more)
    at.tile.className = isBad ? 'tile bad' : 'tile'
  }
}

interface Row {
  readonly node: HTMLTableRowElement
  readonly cells: readonly HTMLElement[]
  readonly state: HTMLElement
}

/** Every source in a row; rows stay, and only cells that are another are written. */
class SourceTable {
  readonly node: HTMLElement
  readonly #model: Model
  readonly #body = h('tbody')
  readonly #rows = new Map<string, Row>()
  readonly #filter = h('input', { type: 'search', placeholder: 'Find a source', 'aria-label': 'Find a source' })
  readonly #nothing = empty(
    'No source yet',
    'Gateways appear here with their first records. `headrace status` on a gateway says what it waits for.',
  )

  constructor(model: Model) {
    this.#model = model
    this.#filter.addEventListener('input', () => this.update())
    const heads = ['Source', 'State', 'Rate', 'Buffered', 'In the log', 'Partition', 'Last record']
    const head = h(
      'tr',
      {},
      ...heads.map((text, at) => h('th', { scope: 'col', class: at >= 2 && at <= 4 ? 'number' : '' }, text)),
    )
    const scroll = h(
      'div',
      { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Sources' },
      h('table', {}, h('thead', {}, head), this.#body),
      this.#nothing,
    )
    this.node = h('section', { class: 'card' }, h('div', { class: 'bar' }, h('h2', {}, 'Sources'), this.#filter), scroll)
  }

  update(): void {
    const { sources } = this.#model
    const wanted = this.#filter.value.trim().toLowerCase()
    this.#nothing.hidden = sources.size > 0
    for (const [key, row] of this.#rows) {
      if (sources.has(key)) continue
      row.node.remove()
      this.#rows.delete(key)
    }
    for (const view of sources.values()) {
      const row = this.#rows.get(view.key) ?? this.#add(view)
      row.node.hidden = wanted !== '' && !view.key.includes(wanted)
      if (!row.node.hidden) this.#write(row, view)
    }
  }

  #add(view: SourceView): Row {
    const [gateway = '', source = ''] = view.key.split('/')
    const link = h('a', { href: `#/source/${encodeURIComponent(gateway)}/${encodeURIComponent(source)}` }, view.key)
    const state = h('span', { class: 'state' })
    const cells = [0, 1, 2, 3, 4].map(at => h('td', { class: at < 3 ? 'number' : '' }))
    const node = h('tr', { class: 'row' }, h('td', {}, link), h('td', {}, state), ...cells)
    this.#body.append(node)
    const row = { node, cells, state }
    this.#rows.set(view.key, row)
    return row
  }

  #write({ cells, state }: Row, view: SourceView): void {
    const { text, tone } = stateOf(view)
    setText(state, text)
    state.className = `state ${tone}`
    state.title = view.edge?.reason ?? ''
    const place = view.core ?? view.edge
    const texts = [
      rate(view.perSecond),
      view.edge ? number(view.edge.buffered.records) : '–',
      number(view.core?.next ?? view.edge?.settled),
      place && place.partition !== null ? `${place.topic}[${place.partition}]` : '–',
      view.changedAtMs === undefined ? '–' : ago(view.changedAtMs, this.#model.timeMs),
    ]
    for (const [at, cell] of cells.entries()) setText(cell, texts[at] ?? '')
  }
}
