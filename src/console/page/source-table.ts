import { h } from './dom.ts'
import { ago, number, rate } from './format.ts'
import { type Model, type SourceView, stateOf } from './model.ts'
import { RowTable } from './row-table.ts'

/** Every source in a row. */
export class SourceTable {
  readonly node: HTMLElement
  readonly #model: Model
  readonly #filter = h('input', { type: 'search', placeholder: 'Find a source', 'aria-label': 'Find a source' })
  readonly #count = h('span', { class: 'soft', role: 'status' })
  readonly #table = new RowTable<SourceView>({
    label: 'Sources',
    columns: [
      { head: 'Source' },
      { head: 'State' },
      { head: 'Rate', number: true },
      { head: 'Waiting', number: true },
      { head: 'In the log', number: true },
      { head: 'Partition' },
      { head: 'Last record' },
    ],
    empty: [
      'No source yet',
      'Gateways appear here with their first records. `headrace status` on a gateway says what it waits for.',
    ],
  })

  constructor(model: Model) {
    this.#model = model
    this.#filter.addEventListener('input', () => this.update())
    const bar = h('div', { class: 'bar' }, h('h2', {}, 'Sources'), this.#count, this.#filter)
    this.node = h('section', { class: 'card' }, bar, this.#table.node)
  }

  update(): void {
    const { sources, timeMs } = this.#model
    const wanted = this.#filter.value.trim().toLowerCase()
    const isShown = (key: string) => wanted === '' || key.includes(wanted)
    const found = wanted === '' ? sources.size : [...sources.keys()].filter(isShown).length
    const said = wanted === '' ? '' : `${number(found)} of ${number(sources.size)}`
    if (this.#count.textContent !== said) this.#count.textContent = said
    this.#table.show(
      sources.values(),
      ({ key }) => key,
      view => {
        const place = view.core ?? view.edge
        return [
          { text: view.key, href: `#/source/${encodeURIComponent(view.gateway)}/${encodeURIComponent(view.source)}` },
          { ...stateOf(view), title: view.at?.reason ?? '' },
          rate(view.perSecond),
          number(view.at?.buffered.records),
          number(view.core?.next ?? view.edge?.settled),
          place && place.partition !== null ? `${place.topic}[${place.partition}]` : '–',
          view.changedAtMs === undefined ? '–' : ago(view.changedAtMs, timeMs),
        ]
      },
      isShown,
    )
  }
}
