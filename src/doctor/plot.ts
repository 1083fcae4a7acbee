import { clock, escapeHtml, type Fault, type Figure } from './report.ts'

const WIDTH = 960
const HEIGHT = 220
const MARGIN = { left: 56, right: 8, top: 10, bottom: 22 }
const COLOURS = ['#2f6feb', '#d9480f', '#2b8a3e', '#9c36b5', '#0b7285', '#e67700', '#5f3dc4', '#868e96']
const LINES_ACROSS = 4
const TIMES = 6
/** A line has no more points than the plot is wide. */
const POINTS_MAX = 480

/** Lines over time as an SVG; faults stand behind them. */
export function plot({ unit, series }: Figure, faults: readonly Fault[], runMs: number): string {
  const top = niceCeiling(Math.max(1e-9, ...series.flatMap(({ points }) => points.map(([, value]) => value))))
  const width = WIDTH - MARGIN.left - MARGIN.right
  const height = HEIGHT - MARGIN.top - MARGIN.bottom
  const x = (ms: number) => (MARGIN.left + (ms / runMs) * width).toFixed(1)
  const y = (value: number) => (MARGIN.top + height - (value / top) * height).toFixed(1)
  const parts: string[] = []
  for (const { atMs, lastedMs, what } of faults) {
    const wide = Math.max(1.5, (lastedMs / runMs) * width).toFixed(1)
    parts.push(
      `<rect x="${x(atMs)}" y="${MARGIN.top}" width="${wide}" height="${height}" fill="var(--fault)" opacity=".22"><title>${escapeHtml(`${clock(atMs)} ${what}`)}</title></rect>`,
    )
  }
  for (let line = 0; line <= LINES_ACROSS; line++) {
    const value = (top / LINES_ACROSS) * line
    parts.push(
      `<line x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${y(value)}" y2="${y(value)}" stroke="var(--line)"/>`,
      `<text x="${MARGIN.left - 6}" y="${Number(y(value)) + 4}" text-anchor="end">${short(value)}</text>`,
    )
  }
  for (let time = 0; time <= TIMES; time++) {
    const anchor = time === 0 ? 'start' : time === TIMES ? 'end' : 'middle'
    parts.push(
      `<text x="${x((runMs / TIMES) * time)}" y="${HEIGHT - 6}" text-anchor="${anchor}">${clock((runMs / TIMES) * time)}</text>`,
    )
  }
  for (const [index, { points }] of series.entries()) {
    const step = Math.max(1, Math.ceil(points.length / POINTS_MAX))
    const line = points.filter((_, at) => at % step === 0).map(([ms, value]) => `${x(ms)},${y(value)}`)
    parts.push(`<polyline points="${line.join(' ')}" fill="none" stroke="${colour(index)}" stroke-width="1.6"/>`)
  }
  const legend = series.map(({ name }, index) => `<span><i style="background:${colour(index)}"></i>${escapeHtml(name)}</span>`)
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img">${parts.join('')}</svg><p class="legend soft">${legend.join('')}<span>${escapeHtml(unit)}</span></p>`
}

function colour(index: number): string {
  return COLOURS[index % COLOURS.length] ?? '#868e96'
}

/** The next of 1, 2, 2.5, 4, 5, 8, 10 times a power of ten. */
function niceCeiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value))
  return power * ([1, 2, 2.5, 4, 5, 8, 10].find(each => each * power >= value) ?? 10)
}

function short(value: number): string {
  if (value >= 1e6) return `${Number((value / 1e6).toFixed(2))} M`
  return value >= 1e4 ? `${Number((value / 1e3).toFixed(1))} k` : String(Number(value.toFixed(2)))
}
