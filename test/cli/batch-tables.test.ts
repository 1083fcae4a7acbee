import { expect, test } from 'vitest'
import { jobsTable, lagText, runsTable } from '../../src/cli/batch-tables.ts'
import type { RunJson } from '../../src/cli/run-json.ts'
import type { JobStatus } from '../../src/reader/batch/scheduler.ts'

const JOB: JobStatus = { job: 'plant.load', next_run: null, last_run: null, lag: 3, lost: 0, waiting_for: [], running: null }
const RUN: RunJson = {
  ...{ id: '0123456789abcdef', job: 'plant.load', kind: 'run', state: 'done', ranges: [], at_ms: 0, started_ms: 0, ended_ms: 1 },
  ...{ token: 't', attempts: 1, records: 5, placeholders: 0, dead: 0, exit_code: 0, error: null, missing: [] },
  ...{ directory: null, log: null, interrupted: false },
}

test('a job says what it waits for, and how far it is', () => {
  const sources = ['g/a', 'g/b', 'g/c', 'g/d', 'g/e', 'g/f']
  const running = { run: RUN.id, records: 40, total: 100, records_per_second: 7 }
  const [, idle, waits, runs] = jobsTable([JOB, { ...JOB, waiting_for: sources }, { ...JOB, running }]).split('\n')
  expect(idle).toMatch(/by hand$/)
  expect(waits).toMatch(/by hand +waits for g\/a, g\/b, g\/c, g\/d, g\/e and 1 more$/)
  expect(runs).toMatch(/by hand +runs: 40 of 100 records$/)
})

test('a job that stands on deleted records says how many are gone, and what goes on', () => {
  const [, lost] = jobsTable([{ ...JOB, lost: 40 }]).split('\n')
  expect(lost).toMatch(/ 3, 40 lost +by hand +the log has 40 records no more that it had not read: .*--accept-loss/)
  expect(lagText({ lag: null, lost: 0 })).toBe('?')
  expect(lagText({ lag: 0, lost: 0 })).toBe('0')
})

test('a run says which sources it was without, beside what went wrong', () => {
  const [, fine, without, failed] = runsTable([
    RUN,
    { ...RUN, missing: ['g/a'] },
    { ...RUN, state: 'failed', missing: ['g/a'], error: 'no room' },
  ]).split('\n')
  expect(fine).toMatch(/ 5 +0 +0$/)
  expect(without).toMatch(/ {2}missing: g\/a$/)
  expect(failed).toMatch(/ {2}missing: g\/a; no room$/)
})
