import type { JobStatus } from '../reader/batch/scheduler.ts'
import { fittedTable } from './fitted-table.ts'
import { table } from './output.ts'
import type { RunJson } from './run-json.ts'

/** Sources that are named in a line; more are counted. */
const NAMED_MAX = 5

/** What a job has not read, and of that, what the log has no more. */
export function lagText({ lag, lost }: Pick<JobStatus, 'lag' | 'lost'>): string {
  return [lag ?? '?', lost > 0 ? `${lost} lost` : []].flat().join(', ')
}

/** Jobs as a person reads them: what they did last, and what they do now. */
export function jobsTable(jobs: readonly JobStatus[], columns?: number | undefined): string {
  const rows = jobs.map(({ job, last_run, lag, lost, next_run, waiting_for, running }) => [
    job,
    last_run?.state ?? 'never run',
    last_run?.records ?? 0,
    lagText({ lag, lost }),
    next_run ?? 'by hand',
    running
      ? `runs: ${running.records} of ${running.total} records`
      : lost > 0
        ? `the log has ${lost} records no more that it had not read: \`batch offsets\` shows where, \`batch run --accept-loss\` goes on`
        : waiting_for.length > 0
          ? `waits for ${named(waiting_for)}`
          : '',
  ])
  const yielding = { names: ['job'], spare: ['records', 'next run'], remarks: '' }
  return fittedTable(['job', 'last run', 'records', 'lag', 'next run', ''], rows, yielding, columns)
}

/** Runs as a person reads them, with what went wrong and which sources were waited for in vain. */
export function runsTable(runs: readonly RunJson[]): string {
  const rows = runs.map(run => [
    run.id,
    run.kind,
    run.state,
    new Date(run.started_ms).toISOString(),
    run.attempts,
    run.records,
    run.placeholders,
    run.dead,
    [run.missing.length > 0 ? `missing: ${named(run.missing)}` : '', run.error ?? ''].filter(Boolean).join('; '),
  ])
  return table(['run', 'kind', 'state', 'started', 'attempts', 'records', 'placeholders', 'set aside', ''], rows)
}

function named(sources: readonly string[]): string {
  const more = sources.length - NAMED_MAX
  return sources.slice(0, NAMED_MAX).join(', ') + (more > 0 ? ` and ${more} more` : '')
}
