import { empty, h, setText } from './dom.ts'
import type { Tone } from './model.ts'
import { Pager } from './pager.ts'

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

/** What is to be shown: items in their order, the name of each, and its cells. */
export interface Shown<Item> {
  readonly items: readonly Item[]
  readonly keyOf: (item: Item) => string
  readonly cellsOf: (item: Item) => readonly Cell[]
  /** Somebody looks for some of them: that none fits is another thing than that there are none. */
  readonly isSearch?: boolean
}

/**
 * A table whose rows stay: only cells that are another are written, since it is looked at each second. Of many rows a page is there, so that a
 * thousand of them cost no more than a hundred.
 */
export class RowTable<Item> {
  readonly node: HTMLElement
  readonly #columns: readonly Column[]
  readonly #body = h('tbody')
  readonly #scroll: HTMLElement
  readonly #nothing: HTMLElement
  readonly #noneFits = empty('None of them fits', 'Look for another name, or show all.')
  readonly #pager: Pager
  readonly #rows = new Map<string, Row>()
  #shown: Shown<Item> | undefined

  constructor({ label, columns, empty: [what, help] }: RowTableOptions) {
    this.#columns = columns
    this.#nothing = empty(what, help)
    const heads = columns.map(({ head, number }) => h('th', { scope: 'col', class: number ? 'number' : '' }, head))
    const table = h('table', {}, h('thead', {}, h('tr', {}, ...heads)), this.#body)
    this.#pager = new Pager(label, () => {
      if (this.#shown) this.show(this.#shown)
      this.node.scrollIntoView({ block: 'start' })
    })
    this.#scroll = h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': label }, table)
    this.node = h('div', { class: 'rows' }, this.#scroll, this.#nothing, this.#noneFits, this.#pager.node)
    for (const part of [this.#scroll, this.#nothing, this.#noneFits]) part.hidden = true
  }

  show(shown: Shown<Item>): void {
    const { items, keyOf, cellsOf, isSearch } = shown
    this.#shown = shown
    const { from, to } = this.#pager.take(items.length)
    const here = new Set<string>()
    let before: HTMLElement | undefined
    for (const item of items.slice(from, to)) {
      const key = keyOf(item)
      here.add(key)
      const row = this.#rows.get(key) ?? this.#add(key)
      // Rows are moved only where their order is another.
      const place = before ? before.nextElementSibling : this.#body.firstElementChild
      if (place !== row.node) this.#body.insertBefore(row.node, place)
      before = row.node
      for (const [at, cell] of cellsOf(item).entries()) write(row.cells[at], cell)
    }
    for (const [key, row] of this.#rows) {
      if (here.has(key)) continue
      row.node.remove()
      this.#rows.delete(key)
    }
    this.#scroll.hidden = items.length === 0
    this.#nothing.hidden = items.length > 0 || isSearch === true
    this.#noneFits.hidden = items.length > 0 || isSearch !== true
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
