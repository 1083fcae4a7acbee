import { describe, expect, test } from 'vitest'
import { batchJobOptions } from '../../src/reader/batch/options.ts'
import { fill, isForEachSource } from '../../src/reader/batch/placeholders.ts'

const VALUES = {
  atMs: Date.parse('2026-03-29T00:30:00Z'),
  timeZone: 'Europe/Berlin',
  texts: { run_id: 'abc', job: 'load', pipeline: 'plant' },
}

test.each([
  ['in/{run_id}.csv', 'in/abc.csv'],
  ['{pipeline}-{job}-{date}', 'plant-load-2026-03-29'],
  ['readings_{date:%Y%m%d}.csv', 'readings_20260329.csv'],
  ['{date-1d}', '2026-03-28'],
  ['{date+1d:%d.%m.%y %H:%M:%S %j %%}', '30.03.26 01:30:00 089 %'],
  ['{date-90d:%Y}', '2025'],
  ['awk {print $1} and {} and {"json":1}', 'awk {print $1} and {} and {"json":1}'],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a shell's variable is what it is about
  ['${run_id} belongs to the shell', '${run_id} belongs to the shell'],
  ['{{run_id}} is text', '{run_id} is text'],
  ['{source} is of one source only', '{source} is of one source only'],
])('"%s" becomes "%s"', (text, filled) => {
  expect(fill(text, VALUES)).toBe(filled)
})

test('the day is that of the time zone of the job', () => {
  expect(fill('{date}', { ...VALUES, timeZone: 'America/New_York' })).toBe('2026-03-28')
})

test('a path is for each source where something of a source is in it', () => {
  expect(['a/{source}.csv', 'a/{partition}', '{date}/all.csv', '{run_id}'].map(isForEachSource)).toEqual([
    true,
    true,
    false,
    false,
  ])
})

describe('what is wrong is said where the pipeline is read', () => {
  test.each([
    ['files', 'in/{run-id}/{sorce}.csv', '{sorce} is no placeholder'],
    ['run_directory', '/exports/all', 'needs {run_id} or {date}'],
    ['stdout', 'a/b', 'is a file name'],
  ])('%s: %s', (key, value, said) => {
    const { error } = batchJobOptions.safeParse({ run: ['true'], [key]: value })
    expect(error?.issues[0]?.message).toContain(said)
  })
})
