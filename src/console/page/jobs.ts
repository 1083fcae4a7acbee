import { actionButton } from './action.ts'
import { change } from './api.ts'
import { h } from './dom.ts'
import { ago, moment, number } from './format.ts'
import { jobPage } from './job.ts'
import type { Tone } from './model.ts'
import type { PageContext, PageMaker } from './page.ts'
import { type Cell, RowTable } from './row-table.ts'
import type { Job } from './status.ts'

/** Batch jobs: how far, when next, and the button that runs one now. `#/jobs/<job>` is the page of one. */
export const jobsPage: PageMaker = context => {
  if (context.args[0]) return jobPage(context)
  const { model } = context
  const table = new RowTable<Job>({
    label: 'Batch jobs',
    columns: [
      { head: 'Job' },
      { head: 'Last run' },
      { head: 'Records', number: true },
      { head: 'Lag', number: true },
      { head: 'Next run' },
      { head: 'Actions' },
    ],
    empty: ['No batch job', 'Declare one under `batch` in a pipeline file that this core lists.'],
  })
  const actions = new Map<string, HTMLElement>()
  const actionsOf = (job: string): HTMLElement => {
    const known = actions.get(job)
    if (known) return known
    const made = runNow(context, job)
    actions.set(job, made)
    return made
  }
  return {
    title: 'Batch jobs',
    node: h('div', { class: 'page' }, h('h1', {}, 'Batch jobs'), h('section', { class: 'card' }, table.node)),
    update() {
      table.show({
        items: model.core?.jobs ?? [],
        keyOf: ({ job }) => job,
        cellsOf: job => [
          { text: job.job, href: `#/jobs/${encodeURIComponent(job.job)}` },
          lastRun(job, model.timeMs),
          number(job.last_run?.records),
          number(job.lag),
          nextRun(job),
          { node: actionsOf(job.job) },
        ],
      })
    },
  }
}

export function runNow(context: PageContext, job: string): HTMLElement {
  const { button, said } = actionButton(context, 'Run now', async () => {
    const path = `/api/core/batch/${encodeURIComponent(job)}/run`
    const { outcome } = await change<{ outcome: string }>('POST', path, context.session.csrf)
    return outcome === 'empty' ? 'nothing new to read' : outcome
  })
  return h('span', { class: 'actions' }, button, said)
}

const TONES: Readonly<Record<string, Tone>> = { done: 'good', failed: 'bad', running: 'idle' }

export function toneOf(state: string): Tone {
  return TONES[state] ?? 'idle'
}

export function lastRun({ running, last_run }: Job, nowMs: number): Cell {
  if (running) {
    const share = running.total > 0 ? `, ${Math.floor((100 * running.records) / running.total)} %` : ''
    return { text: `running${share}`, tone: 'idle' }
  }
  if (!last_run) return { text: 'never run', tone: 'idle' }
  const ended = last_run.ended === null ? '' : ` ${ago(Date.parse(last_run.ended), nowMs)}`
  return { text: `${last_run.state}${ended}`, tone: toneOf(last_run.state), title: last_run.error ?? '' }
}

export function nextRun({ next_run, waiting_for }: Job): string {
  if (waiting_for.length > 0) return `waits for ${waiting_for.slice(0, 3).join(', ')}`
  return next_run === null ? 'by hand' : moment(next_run)
}
