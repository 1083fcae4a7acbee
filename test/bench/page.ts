import { bars, escapeHtml, plot } from './plot.ts'
import { aimText, type BenchReport, isReached, machineText, short, wasBusy } from './report.ts'
import type { Curve, Figure, RowResult } from './row.ts'
import { scalingText } from './scaling.ts'
import { spreadOf } from './spread.ts'

const STYLE = `body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1f2328;background:#fff}
table{border-collapse:collapse;width:100%}td,th{padding:.2rem .6rem;border-bottom:1px solid #d1d9e0;text-align:left}
td.n{text-align:right;font-variant-numeric:tabular-nums}.reached{color:#1a7f37}.missed{color:#d1242f}.busy{color:#9a6700}
svg{max-width:100%;height:auto;font:12px system-ui,sans-serif;fill:#1f2328}svg .grid{stroke:#d1d9e0}svg .title{font-weight:600}`

/** The results as one page that needs nothing else. */
export function renderPage(report: BenchReport): string {
  const { machine, from, to, quick, rows } = report
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Headrace: benchmarks</title><style>${STYLE}</style>
<h1>Benchmarks</h1><p>${escapeHtml(machineText(machine))}. ${escapeHtml(from)} to ${escapeHtml(to)}${quick ? '; quick, so the spread is wide' : ''}.</p>
${rows.map(row => section(row, wasBusy(row, machine))).join('\n')}</html>\n`
}

function section(result: RowResult, isBusy: boolean): string {
  const busy = isBusy
    ? `<p class="busy">Others worked on the machine too: load ${result.load[0].toFixed(1)} before, ${result.load[1].toFixed(1)} after.</p>`
    : ''
  const head = `<h2 id="${result.row}">${escapeHtml(result.title)}</h2>${busy}<p>Took ${result.seconds.toFixed(0)} s.</p>`
  if (result.absent !== undefined) return `${head}<p>Not here: ${escapeHtml(result.absent)}</p>`
  if (result.failed !== undefined) return `${head}<p class="missed">Failed: ${escapeHtml(result.failed)}</p>`
  return `${head}${plots(result.curves ?? [])}${scalingOf(result.curves ?? [])}${barsOf(result.figures)}${tableOf(result.figures)}`
}

function plots(curves: readonly Curve[]): string {
  return [...Map.groupBy(curves, ({ unit, x }) => `${unit}, by ${x}`)].map(([title, of]) => plot(title, of)).join('')
}

function scalingOf(curves: readonly Curve[]): string {
  const lines = curves.map(scalingText).filter(line => line !== '')
  const items = lines.map(line => `<li class="${line.includes('KNEE') ? 'missed' : 'reached'}">${escapeHtml(line)}</li>`)
  return lines.length > 0 ? `<ul>${items.join('')}</ul>` : ''
}

/** A picture for each unit that several figures share. */
function barsOf(figures: readonly Figure[]): string {
  return [...Map.groupBy(figures, ({ unit }) => unit)]
    .filter(([, of]) => of.length > 1)
    .map(([unit, of]) => {
      const entries = of.map(({ name, values }) => ({ name, ...spreadOf(values), text: short(spreadOf(values).median) }))
      return `<h3>${escapeHtml(unit)}</h3>${bars(entries)}`
    })
    .join('')
}

function tableOf(figures: readonly Figure[]): string {
  if (figures.length === 0) return ''
  const rows = figures.map(figure => {
    const { median, min, max } = spreadOf(figure.values)
    const reached = isReached(figure)
    const style = reached === undefined ? '' : reached ? 'reached' : 'missed'
    return `<tr><td>${escapeHtml(figure.name)}</td><td class="n">${short(median)}</td><td>${escapeHtml(figure.unit)}</td><td class="n">${short(min)} … ${short(max)}</td><td class="${style}">${escapeHtml(aimText(figure))}</td></tr>`
  })
  return `<table><tr><th>figure</th><th>median</th><th>unit</th><th>min … max</th><th>aim</th></tr>${rows.join('')}</table>`
}
