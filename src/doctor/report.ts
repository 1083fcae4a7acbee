import type { Point } from './flatness.ts'
import { plot } from './plot.ts'

export interface Series {
  readonly name: string
  readonly points: readonly Point[]
}

export interface Figure {
  readonly title: string
  readonly unit: string
  readonly series: readonly Series[]
}

export interface Fault {
  readonly atMs: number
  readonly lastedMs: number
  readonly what: string
}

export interface Judgement {
  readonly what: string
  /** `not judged`: the run was too short to tell. */
  readonly verdict: 'holds' | 'fails' | 'not judged'
  readonly detail: string
}

/** A run under faults: what was done to it, what was measured, and what came of it. */
export interface RunReport {
  readonly title: string
  /** How to run it again. */
  readonly command: string
  readonly seed: number
  /** ISO 8601. */
  readonly started: string
  readonly lastedMs: number
  readonly facts: Readonly<Record<string, string | number>>
  readonly figures: readonly Figure[]
  readonly faults: readonly Fault[]
  readonly judgements: readonly Judgement[]
}

/** The report for programs: with the keys that JSON has everywhere. */
export function reportJson({ lastedMs, faults, ...rest }: RunReport) {
  return {
    ...rest,
    lasted_ms: lastedMs,
    faults: faults.map(({ atMs, lastedMs: ms, what }) => ({ at_ms: atMs, lasted_ms: ms, what })),
  }
}

export function hasPassed(report: RunReport): boolean {
  return report.judgements.every(({ verdict }) => verdict !== 'fails')
}

const STYLE = `
  :root { color-scheme: light dark; --ink: #1c2733; --soft: #5d6b7a; --line: #d5dce3; --paper: #fff; --good: #18794e; --bad: #c0362c; --fault: #d9822b }
  @media (prefers-color-scheme: dark) { :root { --ink: #e3e9ef; --soft: #93a1af; --line: #33404d; --paper: #141b22; --good: #4cc38a; --bad: #ff7b6f } }
  body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
  h1 { font-size: 1.5rem; margin-bottom: 0 } h2 { font-size: 1.05rem; margin: 2rem 0 .4rem }
  p.soft, td.soft { color: var(--soft) } code { font-size: .9em }
  .verdict { font-size: 1.2rem; font-weight: 600; padding: .5rem .9rem; border-left: .35rem solid; margin: 1.2rem 0 }
  .holds { color: var(--good) } .fails { color: var(--bad) }
  table { border-collapse: collapse; width: 100% } td, th { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
  svg { width: 100%; height: auto; display: block } svg text { font: 11px system-ui, sans-serif; fill: var(--soft) }
  .legend span { margin-right: 1.2rem; white-space: nowrap } .legend i { display: inline-block; width: .8rem; height: .8rem; margin-right: .35rem; vertical-align: -1px }
`

/** One page that needs nothing else: it can be mailed, and opened years later. */
export function renderReport(report: RunReport): string {
  const { title, command, seed, started, lastedMs, facts, figures, faults, judgements } = report
  const passed = hasPassed(report)
  const rows = judgements.map(
    ({ what, verdict, detail }) =>
      `<tr><td>${escapeHtml(what)}</td><td class="${verdict === 'fails' ? 'fails' : verdict === 'holds' ? 'holds' : 'soft'}">${verdict}</td><td class="soft">${escapeHtml(detail)}</td></tr>`,
  )
  const told = faults.map(
    ({ atMs, lastedMs: ms, what }) =>
      `<tr><td>${clock(atMs)}</td><td>${escapeHtml(what)}</td><td class="soft">${(ms / 1_000).toFixed(1)} s</td></tr>`,
  )
  const known = Object.entries(facts).map(
    ([name, value]) => `<tr><td>${escapeHtml(name)}</td><td>${escapeHtml(String(value))}</td></tr>`,
  )
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(title)}</title><style>${STYLE}</style></head>
<body>
<h1>${escapeHtml(title)}</h1>
<p class="soft">${escapeHtml(started)}, ${clock(lastedMs)} long, seed ${seed}. Again: <code>${escapeHtml(command)}</code></p>
<p class="verdict ${passed ? 'holds' : 'fails'}">${passed ? 'Everything holds.' : 'Something does not hold.'}</p>
<table><tbody>${rows.join('')}</tbody></table>
<h2>What ran</h2><table><tbody>${known.join('')}</tbody></table>
${figures.map(figure => `<h2>${escapeHtml(figure.title)}</h2>${plot(figure, faults, lastedMs)}`).join('\n')}
<h2>Faults</h2><table><thead><tr><th>at</th><th>what</th><th>for</th></tr></thead><tbody>${told.join('')}</tbody></table>
</body></html>
`
}

/** `h:mm:ss` */
export function clock(ms: number): string {
  const seconds = Math.round(ms / 1_000)
  const two = (value: number) => String(value).padStart(2, '0')
  return `${Math.floor(seconds / 3_600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
}

export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
