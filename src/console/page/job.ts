import { errorText } from './action.ts'
import { get } from './api.ts'
import { TimeChart } from './chart.ts'
import { h } from './dom.ts'
import { Facts } from './facts.ts'
import { number, rate, span, time } from './format.ts'
import { lastRun, nextRun, runNow, toneOf } from './jobs.ts'
import type { PageMaker } from './page.ts'
import { RowTable } from './row-table.ts'
import { RunLog } from './run-log.ts'

interface Run {
  readonly id: string
  readonly kind: string
  readonly state: string
  readonly started_ms: number
  readonly ended_ms: number | null
  readonly attempts: number
  readonly records: number
  readonly placeholders: number
  readonly dead: number
  readonly error: string | null
  readonly ranges: readonly { readonly source: string; readonly from: number; readonly to: number }[]
}

const RANGES_SHOWN = 5
/** Runs and log are asked for this often while the page is open, ms. */
const ASK_EVERY_MS = 2_000

/** One batch job: its runs with what each read, how far it is behind over time, and what its command said. */
export const jobPage: PageMaker = context => {
  const { model, args } = context
  const [job = '', chosen] = args
  const at = `/api/core/batch/${encodeURIComponent(job)}`
  const facts = new Facts()
  const chartNode = h('div', { class: 'chart', role: 'img', 'aria-label': 'Records that the job has not read, over time' })
  const runs = new RowTable<Run>({
    label: `Runs of ${job}`,
    columns: [
      { head: 'Run' },
      { head: 'State' },
      { head: 'Started (UTC)' },
      { head: 'Took', number: true },
      { head: 'Records', number: true },
      { head: 'Set aside', number: true },
      { head: 'Ranges read', wrap: true },
      { head: 'Error', wrap: true },
    ],
    empty: ['It never ran', 'Run it now, or wait for its schedule.'],
  })
  const log = new RunLog(at, chosen)
  let chart: TimeChart | undefined
  let before: { time_ms: number; records: number }[] = []
  let askedMs = Number.NEGATIVE_INFINITY
  const ask = () => {
    get<Run[]>(`${at}/runs`).then(
      items => runs.show({ items, keyOf: ({ id, started_ms }) => `${id} ${started_ms}`, cellsOf }),
      (error: unknown) => facts.set('Runs', errorText(error), 'bad'),
    )
    log.ask()
  }
  const cellsOf = (run: Run) => [
    { text: run.id, href: `#/jobs/${encodeURIComponent(job)}/${encodeURIComponent(run.id)}` },
    { text: run.kind === 'run' ? run.state : `${run.state} (${run.kind})`, tone: toneOf(run.state) },
    time(run.started_ms).slice(0, 19),
    run.ended_ms === null ? '–' : span(run.ended_ms - run.started_ms),
    number(run.records),
    number(run.dead),
    rangesText(run),
    run.error ?? '',
  ]
  get<typeof before>(`/api/history?${new URLSearchParams({ job })}`).then(points => {
    before = points
  }, Object)
  return {
    title: job,
    node: h(
      'div',
      { class: 'page' },
      h('div', { class: 'bar' }, h('h1', {}, job), runNow(context, job), h('a', { href: '#/jobs' }, 'All jobs')),
      h('section', { class: 'card', 'aria-label': 'Where it stands' }, facts.node),
      h('section', { class: 'card' }, h('h2', {}, 'Records not read yet'), chartNode),
      h('section', { class: 'card' }, h('h2', {}, 'Runs'), runs.node),
      log.node,
    ),
    update() {
      const found = model.core?.jobs.find(each => each.job === job)
      if (!found) return facts.set('State', 'there is no such job on this core', 'warn')
      const last = lastRun(found, model.timeMs)
      if (typeof last !== 'string' && 'tone' in last) facts.set('Last run', last.text, last.tone)
      facts.set(
        'Lag',
        `${number(found.lag)} records${found.lost > 0 ? `; ${number(found.lost)} more are lost` : ''}`,
        found.lost > 0 ? 'warn' : undefined,
      )
      facts.set('Next run', nextRun(found))
      facts.set('Records of the last run', number(found.last_run?.records))
      facts.set(
        'Running now',
        found.running
          ? `${number(found.running.records)} of ${number(found.running.total)}, ${rate(found.running.records_per_second)}`
          : 'no',
      )
      const live = model.lags.get(job) ?? []
      const beginMs = live[0]?.timeMs ?? Number.POSITIVE_INFINITY
      const points = [
        ...before.filter(({ time_ms }) => time_ms < beginMs).map(each => ({ timeMs: each.time_ms, value: each.records })),
        ...live,
      ]
      chart ??= new TimeChart(chartNode, ['records'], { height: 200, fromZero: true })
      chart.set(
        points.map(({ timeMs }) => timeMs),
        [points.map(({ value }) => value)],
      )
      if (model.timeMs - askedMs < ASK_EVERY_MS) return
      askedMs = model.timeMs
      ask()
    },
    leave: () => chart?.end(),
  }
}

function rangesText({ ranges }: Run): string {
  if (ranges.length === 0) return '–'
  const shown = ranges.slice(0, RANGES_SHOWN).map(({ source, from, to }) => `${source} [${number(from)}, ${number(to)})`)
  return [...shown, ...(ranges.length > RANGES_SHOWN ? [`and ${ranges.length - RANGES_SHOWN} more`] : [])].join('\n')
}
