import { get } from './api.ts'
import { TimeChart } from './chart.ts'
import { empty, h } from './dom.ts'

interface HistoryPoint {
  readonly time_ms: number
  readonly records: number
}

/** The last day by minute, from the console's history. */
export class HistoryChart {
  readonly node: HTMLElement
  readonly #place: HTMLElement
  #chart: TimeChart | undefined

  constructor(title: string, of: Readonly<Record<string, string>> = {}) {
    this.#place = h('div', { class: 'chart' }, empty('Loading', 'One moment.'))
    this.node = h('section', { class: 'card' }, h('h2', {}, title), this.#place)
    get<HistoryPoint[]>(`/api/history?${new URLSearchParams(of)}`).then(
      points => this.#draw(title, points),
      (error: Error) => this.#place.replaceChildren(empty('The history could not be read', error.message)),
    )
  }

  end(): void {
    this.#chart?.end()
  }

  #draw(title: string, points: readonly HistoryPoint[]): void {
    if (points.length <= 1) {
      this.#place.replaceChildren(empty('The history begins now', 'It gets a point each minute, and keeps the last day.'))
      return
    }
    this.#place.replaceChildren()
    this.#place.setAttribute('role', 'img')
    this.#place.setAttribute('aria-label', title)
    this.#chart = new TimeChart(this.#place, ['records'], { height: 180, fromZero: true })
    this.#chart.set(
      points.map(({ time_ms }) => time_ms),
      [points.map(({ records }) => records)],
    )
  }
}
