import uPlot from 'uplot'

const COLOURS = ['#0b6e8f', '#c2571a', '#5b8c2a', '#8a4fa3', '#b3261e']
const COLOURS_DARK = ['#58c4e3', '#f0995e', '#9fd06b', '#c99be0', '#ff8a80']

/** A chart of lines over time that follows the width of its place. Times in ms. */
export class TimeChart {
  readonly node: HTMLElement
  readonly #plot: uPlot
  readonly #resized: ResizeObserver

  constructor(node: HTMLElement, labels: readonly string[], { height = 240, spanMs }: { height?: number; spanMs?: number } = {}) {
    this.node = node
    const dark = matchMedia('(prefers-color-scheme: dark)').matches
    const style = getComputedStyle(document.documentElement)
    const axis = { stroke: style.getPropertyValue('--soft'), grid: { stroke: style.getPropertyValue('--line'), width: 1 } }
    const colours = dark ? COLOURS_DARK : COLOURS
    this.#plot = new uPlot(
      {
        width: Math.max(280, node.clientWidth),
        height,
        scales: spanMs === undefined ? {} : { x: { range: (_plot, _min, max) => [max - spanMs / 1_000, max] } },
        axes: [axis, { ...axis, size: 64 }],
        series: [
          {},
          ...labels.map((label, index) => ({
            label,
            stroke: colours[index % colours.length] ?? '#888',
            width: 2,
            points: { show: false },
          })),
        ],
        legend: { show: labels.length > 1 },
        cursor: { drag: { x: false, y: false } },
      },
      [[], ...labels.map(() => [])],
      node,
    )
    this.#resized = new ResizeObserver(() => this.#plot.setSize({ width: Math.max(280, node.clientWidth), height }))
    this.#resized.observe(node)
  }

  set(timesMs: readonly number[], lines: readonly (readonly (number | null)[])[]): void {
    this.#plot.setData([timesMs.map(ms => ms / 1_000), ...lines.map(line => [...line])])
  }

  end(): void {
    this.#resized.disconnect()
    this.#plot.destroy()
  }
}
