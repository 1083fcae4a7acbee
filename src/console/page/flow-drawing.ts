import { s, setText } from './dom.ts'
import { rate } from './format.ts'

const ROW = 62
const MARGIN = 12
const BOX = { width: 196, height: 46 }
const COLUMNS = [4, 316, 628, 940] as const
const WIDTH = 940 + BOX.width + 4
/** Characters of a label that fit into a box. */
const LABEL_LENGTH_MAX = 24
const SOFT_LENGTH_MAX = 31

interface At {
  readonly column: 0 | 1 | 2 | 3
  readonly y: number
}

/** Boxes in four columns, and arrows between them that say how much flows. Sizes in the drawing's own units. */
export class FlowDrawing {
  readonly node: SVGElement
  readonly #height: number
  readonly #updates: (() => void)[] = []

  constructor(rows: number, label: string) {
    this.#height = rows * ROW + 2 * MARGIN
    this.node = s('svg', { class: 'flow', viewBox: `0 0 ${WIDTH} ${this.#height}`, role: 'img', 'aria-label': label })
  }

  get middle(): number {
    return this.#height / 2
  }

  /** The middle of one of `count` rows. */
  at(count: number, index: number): number {
    return MARGIN + ((index + 0.5) * (this.#height - 2 * MARGIN)) / count
  }

  update(): void {
    for (const update of this.#updates) update()
  }

  box({ column, y }: At, label: string, more: () => string, kind: 'key' | 'plain' = 'plain'): void {
    const x = COLUMNS[column]
    const soft = s('text', { x: x + 12, y: y + 14, class: 'soft' })
    const title = s('title')
    this.node.append(
      s(
        'g',
        {},
        title,
        s('rect', { x, y: y - BOX.height / 2, width: BOX.width, height: BOX.height, rx: 9, class: kind }),
        s('text', { x: x + 12, y: y - 4 }, shortened(label, LABEL_LENGTH_MAX)),
        soft,
      ),
    )
    this.#updates.push(() => {
      const text = more()
      setText(soft, shortened(text, SOFT_LENGTH_MAX))
      setText(title, `${label}: ${text}`)
    })
  }

  arrow(from: At, to: At, flow: () => number): void {
    const x1 = COLUMNS[from.column] + BOX.width
    const x2 = COLUMNS[to.column]
    const middle = (x1 + x2) / 2
    const path = s('path', { d: `M${x1} ${from.y} C${middle} ${from.y} ${middle} ${to.y} ${x2} ${to.y}` })
    this.node.prepend(path)
    // Beside the end where the lines lie apart.
    const isFan = from.column === 0
    const label = s('text', {
      x: isFan ? x1 + 8 : to.column === 3 ? x2 - 8 : middle,
      y: labelY(isFan ? from.y : to.y, isFan ? to.y : from.y),
      class: 'rate',
      'text-anchor': isFan ? 'start' : to.column === 3 ? 'end' : 'middle',
    })
    this.node.append(label)
    this.#updates.push(() => {
      const perSecond = flow()
      path.setAttribute('class', perSecond > 0 ? 'flows' : '')
      setText(label, rate(perSecond))
    })
  }
}

/** On the side from which the line does not come. */
function labelY(y: number, otherY: number): number {
  return otherY < y ? y + 16 : y - 7
}

function shortened(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text
}
