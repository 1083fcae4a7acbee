import { ApiError, change, get } from './api.ts'
import { empty, h } from './dom.ts'
import { ago, number, time } from './format.ts'
import type { Job } from './model.ts'
import type { PageContext, PageMaker } from './page.ts'

interface Run {
  readonly id: string
  readonly state: string
  readonly startedMs: number
  readonly endedMs: number | null
  readonly records: number
  readonly placeholders: number
  readonly error: string | null
  readonly ranges: readonly { readonly source: string; readonly from: number; readonly to: number }[]
}

/** Batch jobs: how far, when next, each run; and the button that runs one now. */
export const jobsPage: PageMaker = context => {
  const { model } = context
  const body = h('tbody')
  const runs = h('section', { class: 'card', hidden: true })
  const nothing = empty('No batch job', 'Declare one under `batch` in a pipeline file that this core lists.')
  const heads = ['Job', 'Last run', 'Records', 'Lag', 'Next run', 'Actions']
  const table = h('table', {}, h('thead', {}, h('tr', {}, ...heads.map(text => h('th', { scope: 'col' }, text)))), body)
  const node = h(
    'div',
    { class: 'page' },
    h('h1', {}, 'Batch jobs'),
    h('section', { class: 'card scroll', tabindex: 0, 'aria-label': 'Batch jobs' }, table, nothing),
    runs,
  )
  let shown = ''
  return {
    title: 'Batch jobs',
    node,
    update() {
      const jobs = model.core?.jobs ?? []
      nothing.hidden = jobs.length > 0
      table.hidden = jobs.length === 0
      const text = JSON.stringify(jobs)
      // A button that is looked at each second must not be another one each second.
      if (text === shown) return
      shown = text
      body.replaceChildren(...jobs.map(job => rowOf(job, context, runs)))
    },
  }
}

function rowOf({ job, last_run, lag, next_run }: Job, context: PageContext, runs: HTMLElement): HTMLElement {
  const { session, model } = context
  const said = h('span', { role: 'status', class: 'soft' })
  const run = h('button', { type: 'button', disabled: session.user.role !== 'operator' }, 'Run now')
  run.addEventListener('click', () => {
    run.disabled = true
    said.textContent = ' runs…'
    change<{ outcome: string }>('POST', `/api/core/batch/${encodeURIComponent(job)}/run`, session.csrf)
      .then(
        ({ outcome }) => (said.textContent = outcome === 'empty' ? ' nothing new to read' : ` ${outcome}`),
        (error: Error) =>
          (said.textContent = ` ${error instanceof ApiError ? [error.message, error.advice].filter(Boolean).join('. ') : error.message}`),
      )
      .finally(() => {
        run.disabled = false
      })
  })
  const show = h('button', { type: 'button', click: () => void showRuns(job, runs) }, 'Runs')
  const tone = last_run?.state === 'failed' ? 'bad' : last_run?.state === 'done' ? 'good' : ''
  const last = last_run
    ? `${last_run.state}${last_run.ended ? ` ${ago(Date.parse(last_run.ended), model.timeMs)}` : ''}`
    : 'never run'
  return h(
    'tr',
    {},
    h('td', {}, job),
    h('td', {}, h('span', { class: `state ${tone}`, title: last_run?.error ?? '' }, last)),
    h('td', {}, number(last_run?.records)),
    h('td', {}, number(lag)),
    h('td', {}, next_run === null ? 'by hand' : `${next_run.replace('T', ' ').slice(0, 19)} UTC`),
    h('td', {}, run, ' ', show, said),
  )
}

async function showRuns(job: string, place: HTMLElement): Promise<void> {
  const runs = await get<Run[]>(`/api/core/batch/${encodeURIComponent(job)}/runs`)
  const heads = ['Run', 'State', 'Started (UTC)', 'Took', 'Records', 'Ranges', 'Error']
  const rows = runs.map(run =>
    h(
      'tr',
      {},
      h('td', { class: 'mono' }, run.id),
      h('td', {}, run.state),
      h('td', {}, time(run.startedMs)),
      h('td', {}, run.endedMs === null ? '–' : `${((run.endedMs - run.startedMs) / 1_000).toFixed(1)} s`),
      h('td', {}, number(run.records)),
      h('td', { class: 'wrap mono' }, rangesText(run)),
      h('td', { class: 'wrap' }, run.error ?? ''),
    ),
  )
  place.hidden = false
  place.replaceChildren(
    h('h2', {}, `Runs of ${job}`),
    runs.length === 0
      ? empty('It never ran', 'Run it now, or wait for its schedule.')
      : h(
          'div',
          { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': `Runs of ${job}` },
          h(
            'table',
            {},
            h('thead', {}, h('tr', {}, ...heads.map(text => h('th', { scope: 'col' }, text)))),
            h('tbody', {}, ...rows),
          ),
        ),
  )
}

function rangesText({ ranges }: Run): string {
  const shown = ranges.slice(0, 5).map(({ source, from, to }) => `${source} [${from}, ${to})`)
  return [...shown, ...(ranges.length > 5 ? [`and ${ranges.length - 5} more`] : [])].join('\n')
}
