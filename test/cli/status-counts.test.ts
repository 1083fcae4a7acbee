import { expect, test } from 'vitest'
import { analysersTable, countTables, quotaText } from '../../src/cli/commands/status.ts'

const STEP = { step: 'filter', taken: 12, withheld: 4, unread: 1 }

test('status says of each step what it left out, and what went wrong with a device; of sources without any of it nothing', () => {
  const [steps, troubles, ...others] = countTables([
    { source: 'meter', steps: [STEP, { ...STEP, step: 'sample', withheld: 6 }], trouble: {} },
    { source: 'boiler', steps: [], trouble: { 'no answer': 30, overruns: 2 } },
    { source: 'quiet', steps: [], trouble: {} },
  ])
  expect(steps?.split('\n').map(line => line.trim().split(/ {2,}/))).toEqual([
    ['source', 'step', 'taken', 'left out', 'could not judge'],
    ['meter', '1 filter', '12', '4', '1'],
    ['meter', '2 sample', '12', '6', '1'],
  ])
  expect(troubles?.split('\n').map(line => line.trim().split(/ {2,}/))).toEqual([
    ['source', 'times', 'trouble'],
    ['boiler', '30', 'no answer'],
    ['boiler', '2', 'overruns'],
  ])
  expect(others).toEqual([])
  expect(countTables([{ source: 'quiet', steps: [], trouble: {} }])).toEqual([])
})

test('status says of each analyser whether it failed, what came too late, and when it last told something: only its lag was shown, and of those on a gateway nothing', () => {
  const cells = (text: string | undefined) => text?.split('\n').map(line => line.trim().split(/ {2,}/))
  const gateway = {
    analyser: 'hot',
    state: 'running',
    sources: 2,
    last_alert: '2026-01-02T03:04:05.000Z',
    undelivered: 1,
  } as const
  const core = { pipeline: 'plant', analyser: 'strokes', state: 'failed', sources: 1, last_alert: null, undelivered: 0 } as const
  expect(analysersTable([{ ...core, lag: 4, late: 7, cut: 3 }]).map(cells)).toEqual([
    [
      ['analyser', 'state', 'sources', 'lag', 'late', 'cut', 'undelivered', 'last alert'],
      ['strokes', 'failed', '1', '4', '7', '3', '0', '-'],
    ],
  ])
  expect(analysersTable([gateway]).map(cells)).toEqual([
    [
      ['analyser', 'state', 'sources', 'undelivered', 'last alert'],
      ['hot', 'running', '2', '1', '2026-01-02T03:04:05.000Z'],
    ],
  ])
  expect(analysersTable([])).toEqual([])
})

test('that a gateway falls behind because of a quota of the core is said: nothing else told why its buffer grew', () => {
  expect(quotaText({ bytes_per_second: null, records_per_second: 50 })).toBe(
    'quota: the core takes no more than 50 records a second of this gateway; the rest waits in the buffer',
  )
  expect(quotaText({ bytes_per_second: 2 ** 20, records_per_second: 50 })).toContain('50 records and 1MiB a second')
})
