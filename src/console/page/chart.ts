import uPlot from 'uplot'
import { compact } from './format.ts'

const COLOURS = ['#0b6e8f', '#c2571a', '#5b8c2a', '#8a4fa3', '#b3261e']
const COLOURS_DARK = ['#58c4e3', '#f0995e', '#9fd06b', '#c99be0', '#ff8a80']
const DAY_S = 86_400
/** A chart that has just begun does not stretch a few seconds over its width. */
const SPAN_LEAST_S = 30
/** Roughly what a label takes, px. */
const TICK_SPACE = { x: 72, y: 38 }

export interface ChartOptions {
  readonly height?: number
  /** So much time is shown at most, up to the last point; all of it unless set. */
  readonly spanMs?: number
  /** The axis begins at 0, and what lies below a line is filled: for rates and amounts. */
  readonly fromZero?: true
}

/** A chart of lines over time, in UTC, that follows the width of its place. Times in ms. */
export class TimeChart {
  readonly node: HTMLElement
  readonly #plot: uPlot
  readonly #resized: ResizeObserver

  constructor(node: HTMLElement, labels: readonly string[], { height = 240, spanMs, fromZero }: ChartOptions = {}) {
    this.node = node
    const dark = matchMedia('(prefers-color-scheme: dark)').matches
    const style = getComputedStyle(document.documentElement)
    const line = style.getPropertyValue('--line')
    const axis = {
      stroke: style.getPropertyValue('--soft'),
      font: `12px ${getComputedStyle(document.body).fontFamily}`,
      grid: { stroke: line, width: 1 },
      ticks: { stroke: line, width: 1, size: 5 },
    }
    const colours = dark ? COLOURS_DARK : COLOURS
    this.#plot = new uPlot(
      {
        width: widthOf(node),
        height,
        padding: [10, 30, 0, 0],
        tzDate: seconds => uPlot.tzDate(new Date(seconds * 1_000), 'Etc/UTC'),
        scales: {
          x:
            spanMs === undefined
              ? {}
              : { range: (_plot, min, max) => [Math.max(max - spanMs / 1_000, Math.min(min, max - SPAN_LEAST_S)), max] },
          y: fromZero ? { range: (_plot, _min, max) => [0, Math.max(1, max * 1.15)] } : {},
        },
        axes: [
          { ...axis, space: TICK_SPACE.x, size: 34, values: (_plot, splits) => splits.map(each => tickOf(each, splits)) },
          { ...axis, space: TICK_SPACE.y, size: 56, values: (_plot, splits) => splits.map(each => numberOf(each, splits)) },
        ],
        series: [
          {
            label: 'UTC',
            value: (plot, seconds, _line, at) => {
              const shown = at === null ? plot.data[0].at(-1) : seconds
              return shown === undefined || shown === null ? '–' : clockText(shown, true)
            },
          },
          ...labels.map((label, index) => {
            const colour = colours[index % colours.length] ?? '#888'
            return {
              label,
              stroke: colour,
              width: 2,
              points: { show: false },
              ...(fromZero && labels.length === 1 && { fill: `${colour}26` }),
              // Where nobody points at the chart: the latest.
              value: (plot: uPlot, value: number | null, line: number, at: number | null) =>
                textOf(at === null ? plot.data[line]?.at(-1) : value),
            }
          }),
        ],
        legend: { show: labels.length > 1 },
        cursor: { drag: { x: false, y: false } },
      },
      [[], ...labels.map(() => [])],
      node,
    )
    this.#resized = new ResizeObserver(() => this.#plot.setSize({ width: widthOf(node), height }))
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

function textOf(value: number | null | undefined): string {
  return value === null || value === undefined ? '–' : compact(value)
}

function widthOf(node: HTMLElement): number {
  return Math.max(220, node.clientWidth)
}

function tickOf(seconds: number, splits: readonly number[]): string {
  const step = (splits[1] ?? seconds) - (splits[0] ?? seconds)
  if (step >= DAY_S) return new Date(seconds * 1_000).toISOString().slice(5, 10)
  return clockText(seconds, step < 60)
}

function clockText(seconds: number, withSeconds: boolean): string {
  return new Date(seconds * 1_000).toISOString().slice(11, withSeconds ? 19 : 16)
}

/** As many digits as it takes to tell the ticks apart. */
function numberOf(value: number, splits: readonly number[]): string {
  const step = Math.abs((splits[1] ?? value) - (splits[0] ?? value))
  if (step >= 1 || step === 0) return compact(value)
  return value.toFixed(Math.min(6, Math.ceil(-Math.log10(step))))
}
