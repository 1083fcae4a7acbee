import { empty, h, setText } from './dom.ts'
import type { Tone } from './model.ts'

/** What a cell shows: text, text with a mark, text that leads somewhere, or elements of its own that stay as they are. */
export type Cell =
  | string
  | { readonly text: string; readonly tone: Tone; readonly title?: string }
  | { readonly text: string; readonly href: string }
  | { readonly node: HTMLElement }

export interface Column {
  readonly head: string
  readonly number?: true
  /** Long text: it may take several lines. */
  readonly wrap?: true
}

export interface RowTableOptions {
  readonly label: string
  readonly columns: readonly Column[]
  readonly empty: readonly [what: string, help: string]
}

interface Row {
  readonly node: HTMLTableRowElement
  readonly cells: readonly HTMLElement[]
}

/** A table whose rows stay: only cells that are another are written, since a thousand rows are looked at each second. */
export class RowTable<Item> {
  readonly node: HTMLElement
  readonly #columns: readonly Column[]
  readonly #body = h('tbody')
  readonly #table: HTMLElement
  readonly #nothing: HTMLElement
  readonly #rows = new Map<string, Row>()

  constructor({ label, columns, empty: [what, help] }: RowTableOptions) {
    this.#columns = columns
    this.#nothing = empty(what, help)
    const heads = columns.map(({ head, number }) => h('th', { scope: 'col', class: number ? 'number' : '' }, head))
    this.#table = h('table', {}, h('thead', {}, h('tr', {}, ...heads)), this.#body)
    this.node = h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': label }, this.#table, this.#nothing)
    this.#table.hidden = true
    this.#nothing.hidden = true
  }

  show(
    items: Iterable<Item>,
    keyOf: (item: Item) => string,
    cellsOf: (item: Item) => readonly Cell[],
    isShown: (key: string) => boolean = () => true,
  ): void {
    const here = new Set<string>()
    let before: HTMLElement | undefined
    for (const item of items) {
      const key = keyOf(item)
      here.add(key)
      const row = this.#rows.get(key) ?? this.#add(key)
      // Rows are moved only where their order is another.
      const place = before ? before.nextElementSibling : this.#body.firstElementChild
      if (place !== row.node) this.#body.insertBefore(row.node, place)
      before = row.node
      const isHidden = !isShown(key)
      if (row.node.hidden !== isHidden) row.node.hidden = isHidden
      if (!isHidden) for (const [at, cell] of cellsOf(item).entries()) write(row.cells[at], cell)
    }
    for (const [key, row] of this.#rows) {
      if (here.has(key)) continue
      row.node.remove()
      this.#rows.delete(key)
    }
    this.#table.hidden = here.size === 0
    this.#nothing.hidden = here.size > 0
  }

  #add(key: string): Row {
    // On a phone a row is a card, and each cell says what it is.
    const cells = this.#columns.map(({ head, number, wrap }) =>
      h('td', { class: number ? 'number' : wrap ? 'wrap' : '', 'data-head': head }),
    )
    const node = h('tr', { class: 'row' }, ...cells)
    const row = { node, cells }
    this.#rows.set(key, row)
    return row
  }
}

function write(place: HTMLElement | undefined, cell: Cell): void {
  if (!place) return
  if (typeof cell === 'string') setText(place, cell)
  else if ('node' in cell) {
    if (place.firstChild !== cell.node) place.replaceChildren(cell.node)
  } else writeInner(place, cell)
}

/** Elements stay, so that what is focused or pointed at is not another one each second. */
function writeInner(place: HTMLElement, cell: Exclude<Cell, string | { readonly node: HTMLElement }>): void {
  const wanted = 'href' in cell ? 'A' : 'SPAN'
  let inner = place.firstElementChild
  if (inner?.tagName !== wanted) {
    inner = h('href' in cell ? 'a' : 'span')
    place.replaceChildren(inner)
  }
  setText(inner, cell.text)
  if ('href' in cell) {
    if (inner.getAttribute('href') !== cell.href) inner.setAttribute('href', cell.href)
    return
  }
  const className = `state ${cell.tone}`
  if (inner.className !== className) inner.className = className
  if (cell.title !== undefined && inner.getAttribute('title') !== cell.title) inner.setAttribute('title', cell.title)
}
