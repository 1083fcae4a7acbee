import { h, setText } from './dom.ts'
import { number } from './format.ts'
import { ROWS_ON_A_PAGE, rowsOnPage } from './rows-on-page.ts'

/** Turns the pages of a long table; not to be seen where one page holds all. */
export class Pager {
  readonly node: HTMLElement
  readonly #said = h('span', { role: 'status' })
  readonly #before: HTMLButtonElement
  readonly #after: HTMLButtonElement
  #page = 0
  #count = 0

  constructor(label: string, turned: () => void) {
    const turn = (by: number) => () => {
      const { page } = rowsOnPage(this.#page + by, this.#count)
      if (page === this.#page) return
      this.#page = page
      turned()
    }
    this.#before = h('button', { type: 'button', click: turn(-1) }, 'Previous')
    this.#after = h('button', { type: 'button', click: turn(1) }, 'Next')
    const parts = [this.#before, this.#said, this.#after]
    this.node = h('nav', { class: 'pager', 'aria-label': `Pages of ${label}`, hidden: true }, ...parts)
  }

  /** The rows to show, of so many. */
  take(count: number): { from: number; to: number } {
    const { page, from, to } = rowsOnPage(this.#page, count)
    this.#page = page
    this.#count = count
    this.node.hidden = count <= ROWS_ON_A_PAGE
    setText(this.#said, `${number(from + 1)} to ${number(to)} of ${number(count)}`)
    // A button that is disabled while it has the focus would drop it.
    this.#before.setAttribute('aria-disabled', String(from === 0))
    this.#after.setAttribute('aria-disabled', String(to === count))
    return { from, to }
  }
}
