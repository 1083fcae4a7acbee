import type { Curve } from './row.ts'

const SIZE = { width: 640, height: 300, left: 76, right: 16, top: 28, bottom: 44 }
const COLOURS = ['#1f6feb', '#d1242f', '#1a7f37', '#9a6700', '#8250df', '#57606a']

/** One plot of curves with the same axes, both logarithmic, as SVG. */
export function plot(title: string, curves: readonly Curve[]): string {
  const points = curves.flatMap(curve => curve.points).filter(([x, y]) => x > 0 && y > 0)
  if (points.length === 0) return ''
  const [toX, toY] = [
    scale(
      points.map(([x]) => x),
      SIZE.left,
      SIZE.width - SIZE.right,
    ),
    scale(
      points.map(([, y]) => y),
      SIZE.height - SIZE.bottom,
      SIZE.top,
    ),
  ]
  const lines = curves.map((curve, index) => {
    const colour = COLOURS[index % COLOURS.length]
    const at = curve.points.filter(([x, y]) => x > 0 && y > 0).map(([x, y]) => `${toX.at(x).toFixed(1)},${toY.at(y).toFixed(1)}`)
    const dots = at
      .map(place => `<circle cx="${place.split(',')[0]}" cy="${place.split(',')[1]}" r="3" fill="${colour}"/>`)
      .join('')
    const label = `<text x="${SIZE.left + 8}" y="${SIZE.top + 14 * (index + 1)}" fill="${colour}">${escapeHtml(curve.name)}</text>`
    return `<polyline points="${at.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>${dots}${label}`
  })
  const ticksX = toX.ticks.map(
    tick =>
      `<line x1="${toX.at(tick)}" x2="${toX.at(tick)}" y1="${SIZE.top}" y2="${SIZE.height - SIZE.bottom}" class="grid"/><text x="${toX.at(tick)}" y="${SIZE.height - SIZE.bottom + 16}" text-anchor="middle">${tickText(tick)}</text>`,
  )
  const ticksY = toY.ticks.map(
    tick =>
      `<line y1="${toY.at(tick)}" y2="${toY.at(tick)}" x1="${SIZE.left}" x2="${SIZE.width - SIZE.right}" class="grid"/><text x="${SIZE.left - 6}" y="${toY.at(tick) + 4}" text-anchor="end">${tickText(tick)}</text>`,
  )
  return (
    `<svg viewBox="0 0 ${SIZE.width} ${SIZE.height}" role="img" aria-label="${escapeHtml(title)}"><text x="${SIZE.left}" y="16" class="title">${escapeHtml(title)}</text>` +
    `${ticksX.join('')}${ticksY.join('')}${lines.join('')}` +
    `<text x="${(SIZE.left + SIZE.width) / 2}" y="${SIZE.height - 8}" text-anchor="middle">${escapeHtml(curves[0]?.x ?? '')}</text></svg>`
  )
}

/** A horizontal bar for each value, with its spread as a line. */
export function bars(
  entries: readonly {
    readonly name: string
    readonly median: number
    readonly min: number
    readonly max: number
    readonly text: string
  }[],
): string {
  const rowHeight = 22
  const most = Math.max(...entries.map(({ max }) => max).filter(Number.isFinite))
  if (!(most > 0)) return ''
  const width = (value: number) => (Math.max(0, value) / most) * 300
  const rows = entries.map(({ name, median, min, max, text }, index) => {
    const y = index * rowHeight
    return (
      `<text x="296" y="${y + 15}" text-anchor="end">${escapeHtml(name)}</text><rect x="304" y="${y + 4}" width="${width(median).toFixed(1)}" height="14" fill="${COLOURS[0]}" opacity="0.75"/>` +
      `<line x1="${(304 + width(min)).toFixed(1)}" x2="${(304 + width(max)).toFixed(1)}" y1="${y + 11}" y2="${y + 11}" stroke="currentColor"/><text x="${(312 + width(max)).toFixed(1)}" y="${y + 15}">${escapeHtml(text)}</text>`
    )
  })
  return `<svg viewBox="0 0 720 ${entries.length * rowHeight + 4}" role="img">${rows.join('')}</svg>`
}

function scale(values: readonly number[], from: number, to: number): { at(value: number): number; ticks: readonly number[] } {
  const low = Math.floor(Math.log10(Math.min(...values)))
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))))
  const ticks = Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index))
  return { at: value => from + ((Math.log10(value) - low) / (high - low)) * (to - from), ticks }
}

function tickText(value: number): string {
  if (value >= 1e6) return `${value / 1e6} M`
  return value >= 1 ? value.toLocaleString('en') : String(Number(value.toPrecision(1)))
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, letter => `&#${letter.charCodeAt(0)};`)
}
