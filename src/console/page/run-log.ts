import { ApiError, get } from './api.ts'
import { empty, h, setText } from './dom.ts'
import { bytes } from './format.ts'

interface LogTail {
  readonly run: string
  readonly state: string
  readonly path: string
  readonly bytes: number
  readonly from: number
  readonly text: string
}

/** What the command of a run said: of the one chosen, otherwise of the latest. */
export class RunLog {
  readonly node: HTMLElement
  readonly #address: string
  readonly #head = h('h2', {}, 'Log')
  readonly #about = h('p', { class: 'soft' })
  readonly #text = h('pre', { class: 'log', tabindex: 0, 'aria-label': 'Log of the run' })
  readonly #nothing = empty('No log yet', 'What the command of a run prints stands here.')

  constructor(job: string, run: string | undefined) {
    this.#address = run === undefined ? `${job}/log` : `${job}/log?${new URLSearchParams({ run })}`
    this.#text.hidden = true
    this.node = h('section', { class: 'card' }, h('div', { class: 'bar' }, this.#head, this.#about), this.#nothing, this.#text)
  }

  ask(): void {
    get<LogTail>(this.#address).then(
      found => this.#show(found),
      (error: unknown) => {
        if (error instanceof ApiError && error.status !== 404) setText(this.#about, error.message)
      },
    )
  }

  #show({ run, path, from, text, bytes: size }: LogTail): void {
    setText(this.#head, `Log of run ${run}`)
    setText(this.#about, `${bytes(size)} in ${path}${from > 0 ? '; its end is shown' : ''}`)
    this.#nothing.hidden = true
    this.#text.hidden = false
    const shown = text.trimEnd() === '' ? 'It said nothing.' : text.trimEnd()
    if (this.#text.textContent === shown) return
    const isAtEnd = this.#text.scrollTop + this.#text.clientHeight >= this.#text.scrollHeight - 4
    this.#text.textContent = shown
    if (isAtEnd) this.#text.scrollTop = this.#text.scrollHeight
  }
}
