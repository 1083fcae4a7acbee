import { h, setText } from './dom.ts'
import { ago, number, rate } from './format.ts'
import { type Model, needsLook, type SourceView, stateOf } from './model.ts'
import { RowTable } from './row-table.ts'

/** Which of the sources are shown, by what is said of them. */
const CHOICES: Readonly<Record<string, { readonly label: string; readonly fits: (view: SourceView) => boolean }>> = {
  all: { label: 'All', fits: () => true },
  unwell: { label: 'Those that need a look', fits: needsLook },
  waiting: { label: 'Those whose records wait', fits: ({ at }) => (at?.buffered.records ?? 0) > 0 },
  still: { label: 'Those that are still', fits: ({ perSecond }) => perSecond === 0 },
}

/** Every source in a row. */
export class SourceTable {
  readonly node: HTMLElement
  readonly #model: Model
  readonly #filter = h('input', { type: 'search', placeholder: 'Find a source', 'aria-label': 'Find a source' })
  readonly #choice = h(
    'select',
    { 'aria-label': 'Which sources' },
    ...Object.entries(CHOICES).map(([value, { label }]) => h('option', { value }, label)),
  )
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
    this.#choice.addEventListener('change', () => this.update())
    const bar = h(
      'div',
      { class: 'bar' },
      h('h2', {}, 'Sources'),
      this.#count,
      h('span', { class: 'actions' }, this.#choice, this.#filter),
    )
    this.node = h('section', { class: 'card' }, bar, this.#table.node)
  }

  update(): void {
    const { sources, timeMs } = this.#model
    const wanted = this.#filter.value.trim().toLowerCase()
    const fits = CHOICES[this.#choice.value]?.fits ?? (() => true)
    const isSearch = sources.size > 0 && (wanted !== '' || this.#choice.value !== 'all')
    const items = [...sources.values()].filter(view => view.key.includes(wanted) && fits(view))
    setText(this.#count, isSearch ? `${number(items.length)} of ${number(sources.size)}` : '')
    this.#table.show({
      items,
      isSearch,
      keyOf: ({ key }) => key,
      cellsOf: view => {
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
    })
  }
}
