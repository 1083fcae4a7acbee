import { s, setText } from './dom.ts'
import { rate } from './format.ts'

const ROW = 62
const MARGIN = 12
const BOX = { width: 196, height: 46 }
/** Side by side, from left to right. */
const WIDE = { columns: [4, 316, 628, 940], width: 1140, labelLengthMax: 24, softLengthMax: 31 }
/** One below the other, for a phone; lines run on the right. */
const NARROW = { x: 4, width: 330, boxWidth: 232, bow: 84, gap: 22, labelLengthMax: 27, softLengthMax: 38 }

export type Column = 0 | 1 | 2 | 3

interface Place {
  readonly column: Column
  readonly x: number
  readonly y: number
}

/**
 * Boxes of four sorts (sources, buffer, topic, readers), and lines between them that say how much flows. Sizes in the drawing's own units.
 */
export class FlowDrawing {
  readonly node: SVGElement
  readonly #counts: readonly [number, number, number, number]
  readonly #isNarrow: boolean
  readonly #height: number
  readonly #updates: (() => void)[] = []

  constructor(counts: { sources: number; readers: number }, label: string, isNarrow: boolean) {
    this.#counts = [counts.sources, 1, 1, counts.readers]
    this.#isNarrow = isNarrow
    const rows = isNarrow ? counts.sources + counts.readers + 2 : Math.max(counts.sources, counts.readers, 1)
    this.#height = rows * ROW + 2 * MARGIN + (isNarrow ? 3 * NARROW.gap : 0)
    const width = isNarrow ? NARROW.width : WIDE.width
    this.node = s('svg', {
      class: isNarrow ? 'flow narrow' : 'flow',
      viewBox: `0 0 ${width} ${this.#height}`,
      role: 'img',
      'aria-label': label,
    })
  }

  update(): void {
    for (const update of this.#updates) update()
  }

  /** The middle of a box's left side. */
  place(column: Column, index = 0): Place {
    const count = this.#counts[column]
    if (!this.#isNarrow) {
      const y = MARGIN + ((index + 0.5) * (this.#height - 2 * MARGIN)) / count
      return { column, x: WIDE.columns[column] ?? 0, y }
    }
    const before = this.#counts.slice(0, column).reduce((sum, each) => sum + each, 0)
    return { column, x: NARROW.x, y: MARGIN + (before + index + 0.5) * ROW + column * NARROW.gap }
  }

  box({ x, y }: Place, label: string, more: () => string, kind: 'key' | 'plain' = 'plain'): void {
    const { labelLengthMax, softLengthMax } = this.#isNarrow ? NARROW : WIDE
    const soft = s('text', { x: x + 12, y: y + 14, class: 'soft' })
    const title = s('title')
    const { height } = BOX
    this.node.append(
      s(
        'g',
        {},
        s('rect', { x, y: y - height / 2, width: this.#boxWidth, height, rx: 9, class: kind }),
        s('text', { x: x + 12, y: y - 4 }, shortened(label, labelLengthMax)),
        soft,
        title,
      ),
    )
    this.#updates.push(() => {
      const text = more()
      setText(soft, shortened(text, softLengthMax))
      setText(title, `${label}: ${text}`)
    })
  }

  arrow(from: Place, to: Place, flow: () => number): void {
    const path = s('path', { d: this.#isNarrow ? this.#bow(from, to) : this.#curve(from, to) })
    this.node.prepend(path)
    const label = s('text', { class: 'rate', ...(this.#isNarrow ? this.#besideBox(from, to) : this.#besideLine(from, to)) })
    this.node.append(label)
    this.#updates.push(() => {
      const perSecond = flow()
      path.setAttribute('class', perSecond > 0 ? 'flows' : '')
      setText(label, rate(perSecond))
    })
  }

  get #boxWidth(): number {
    return this.#isNarrow ? NARROW.boxWidth : BOX.width
  }

  #curve(from: Place, to: Place): string {
    const x1 = from.x + BOX.width
    const middle = (x1 + to.x) / 2
    return `M${x1} ${from.y} C${middle} ${from.y} ${middle} ${to.y} ${to.x} ${to.y}`
  }

  #bow(from: Place, to: Place): string {
    const x = NARROW.x + NARROW.boxWidth
    return `M${x} ${from.y} C${x + NARROW.bow} ${from.y} ${x + NARROW.bow} ${to.y} ${x} ${to.y}`
  }

  /** Beside the end where the lines lie apart, on the side from which the line does not come. */
  #besideLine(from: Place, to: Place) {
    const x1 = from.x + BOX.width
    const [end, other] = from.column === 0 ? [from, to] : [to, from]
    const y = other.y < end.y ? end.y + 16 : end.y - 7
    if (from.column === 0) return { x: x1 + 8, y, 'text-anchor': 'start' }
    if (to.column === 3) return { x: to.x - 8, y, 'text-anchor': 'end' }
    return { x: (x1 + to.x) / 2, y, 'text-anchor': 'middle' }
  }

  #besideBox(from: Place, to: Place) {
    const { y } = from.column === 0 ? from : to
    return { x: NARROW.x + NARROW.boxWidth + 10, y: y - 8, 'text-anchor': 'start' }
  }
}

function shortened(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text
}
