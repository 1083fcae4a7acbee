import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import type { JobStatus } from '../../src/reader/batch/scheduler.ts'
import type { Run } from '../../src/reader/ledger.ts'
import { BatchUp, type Outcome } from './batch-up.ts'
import { countTo, sequencesOf } from './up-process.ts'

let up: BatchUp
afterEach(() => up.end())

async function start(generator: string, files: readonly string[] = []): Promise<void> {
  up = new BatchUp(generator)
  for (const file of files) up.write(file)
  await up.start()
}

test('a job reads what is new, once; its offsets follow; list and runs tell of it', async () => {
  await start('records_per_second: 1000, count: 300')
  await up.drained(300)
  expect(await up.json<JobStatus[]>('batch', 'list')).toEqual([
    { job: 'plant.load', next_run: null, last_run: null, lag: 600, lost: 0, waiting_for: [], running: null },
    { job: 'plant.only-a', next_run: null, last_run: null, lag: 300, lost: 0, waiting_for: [], running: null },
  ])
  expect((await up.offsets('load')).map(({ source, offset, end, lag }) => [source, offset, end, lag]).sort()).toEqual([
    ['plant-a-1/a', 0, 300, 300],
    ['plant-a-1/b', 0, 300, 300],
  ])

  const first = await up.run('batch', 'run', 'plant.load')
  const { id, lines, ranges } = up.attempt(0)
  expect(first).toMatchObject({ code: 0, stdout: `run ${id}: done, 600 records\n` })
  expect(sequencesOf(lines)).toEqual({ a: countTo(300), b: countTo(300) })
  expect(ranges).toHaveLength(2)
  for (const line of lines) expect(line).toMatchObject({ gateway: 'plant-a-1', value: { n: line.seq } })

  expect((await up.offsets('load')).map(({ offset, lag }) => [offset, lag])).toEqual([
    [300, 0],
    [300, 0],
  ])
  expect(await up.run('batch', 'run', 'load')).toMatchObject({ code: 0, stdout: 'Nothing new to read.\n' })
  expect(up.attemptsMade()).toBe(1)

  const list = await up.json<JobStatus[]>('batch', 'list')
  expect(list[0]).toMatchObject({ lag: 0, last_run: { id, state: 'done', records: 600, error: null } })
  // Another job over the same sources stands where it stood.
  expect(list[1]).toMatchObject({ lag: 300, last_run: null })
  const table = await up.run('batch', 'runs', 'load')
  expect(table.stdout).toMatch(new RegExp(`^${id} +run +done +\\S+Z +1 +600 +0 +0$`, 'm'))

  expect((await up.run('batch', 'run', 'nothing')).stderr).toBe(
    'headrace: there is no batch job "nothing" on this core\nKnown: plant.load, plant.only-a.\n',
  )
})

test('a command that exits 1 moves nothing; the same run comes again with the same records, and moves it when it exits 0', async () => {
  await start('records_per_second: 200', ['fail'])
  await up.settled(20)
  const failed = await up.run('batch', 'run', 'load')
  const first = up.attempt(0)
  expect(failed.code).toBe(1)
  expect(failed.stdout).toBe(
    `run ${first.id}: failed, 0 records: ./job.sh: it ended with exit code 1; its last words: the warehouse is closed\nWhat the command said is in ${up.state}/core/runs/plant.load/${first.id}.log\n`,
  )
  expect((await up.offsets('load')).map(({ offset }) => offset)).toEqual([0, 0])
  const [{ to: end } = { to: 0 }] = first.ranges

  // More has come since: it is not part of the run that is repeated.
  await up.settled(end + 50)
  await up.run('batch', 'run', 'load')
  expect(up.attempt(1)).toEqual(first)
  expect((await up.offsets('load')).map(({ offset }) => offset)).toEqual([0, 0])

  up.remove('fail')
  const done = await up.json<Outcome>('batch', 'run', 'load')
  expect(up.attempt(2)).toEqual(first)
  const rest = up.attempt(3)
  expect(done).toMatchObject({ outcome: 'done', run: { id: rest.id }, repeated: { id: first.id, state: 'done' } })
  expect(rest.id).not.toBe(first.id)
  const all = sequencesOf([...first.lines, ...rest.lines])
  for (const { source, offset } of await up.offsets('load')) {
    expect(offset).toBeGreaterThan(end)
    expect(all[source.split('/')[1] ?? '']).toEqual(countTo(offset))
  }
  const runs = await up.json<Run[]>('batch', 'runs', 'load')
  expect(runs.map(({ id, state }) => [id, state])).toEqual([
    [rest.id, 'done'],
    [first.id, 'done'],
  ])
})

describe('reset', () => {
  test('puts a job back or forth, in one source or all; a dry run only says so', async () => {
    await start('records_per_second: 1000, count: 50')
    await up.drained(50)
    const reset = (...args: string[]) => up.json<Record<string, number>>('batch', 'reset', 'load', ...args)
    const standing = async () => Object.fromEntries((await up.offsets('load')).map(({ source, offset }) => [source, offset]))

    expect(await reset('--to', 'end', '--dry-run')).toEqual({ 'plant-a-1/a': 50, 'plant-a-1/b': 50 })
    expect(await standing()).toEqual({ 'plant-a-1/a': 0, 'plant-a-1/b': 0 })
    expect(await reset('--to', 'end', '--source', 'b')).toEqual({ 'plant-a-1/b': 50 })
    expect(await reset('--to', '47', '--source', 'plant-a-1/a')).toEqual({ 'plant-a-1/a': 47 })
    expect(await standing()).toEqual({ 'plant-a-1/a': 47, 'plant-a-1/b': 50 })
    await up.json('batch', 'run', 'load')
    expect(sequencesOf(up.attempt(0).lines)).toEqual({ a: [47, 48, 49] })

    expect(await reset('--to', 'beginning')).toEqual({ 'plant-a-1/a': 0, 'plant-a-1/b': 0 })
    await up.json('batch', 'run', 'load')
    expect(sequencesOf(up.attempt(1).lines)).toEqual({ a: countTo(50), b: countTo(50) })
  })

  test('to an offset that is not there changes nothing', async () => {
    await start('records_per_second: 1000, count: 50')
    await up.drained(50)
    expect(await up.run('batch', 'reset', 'only-a', '--to', '51')).toEqual({
      code: 1,
      stdout: '',
      stderr: 'headrace: plant-a-1/a: 51 is not in [0, 50]\n',
    })
    expect((await up.offsets('only-a')).map(({ offset }) => offset)).toEqual([0])
  })

  test('to what is no offset is the wrong input, and changes nothing', async () => {
    await start('records_per_second: 1000, count: 50')
    await up.drained(50)
    await up.json('batch', 'reset', 'only-a', '--to', 'end')
    const codes = [await up.run('batch', 'reset', 'only-a', '--to', 'soon'), await up.run('batch', 'reset', 'only-a', '--to', '')]
    expect(codes.map(({ code }) => code)).toEqual([2, 2])
    expect((await up.offsets('only-a')).map(({ offset }) => offset)).toEqual([50])
  })
})

test('a backfill reads beside the offsets; offsets of another reader are adopted; a time puts a job there', async () => {
  await start('records_per_second: 1000, count: 50')
  await up.drained(50)
  const standing = async () => Object.fromEntries((await up.offsets('load')).map(({ source, offset }) => [source, offset]))
  const filled = await up.json<Outcome>('batch', 'backfill', 'load', '--from', '10', '--to', '20', '--source', 'a')
  expect(filled).toMatchObject({ outcome: 'done', run: { kind: 'backfill', records: 10 } })
  expect(sequencesOf(up.attempt(0).lines)).toEqual({ a: countTo(20, 10) })
  expect(await standing()).toEqual({ 'plant-a-1/a': 0, 'plant-a-1/b': 0 })

  writeFileSync(join(up.folder, 'offsets.json'), '{"plant-a-1/a": 40, "plant-a-1/other": 3}')
  const file = ['batch', 'adopt', 'load', '--file', join(up.folder, 'offsets.json')]
  const mistaken = await up.run(...file)
  expect([mistaken.code, mistaken.stderr]).toEqual([2, expect.stringContaining('the job reads no source called plant-a-1/other')])
  const adopt = (...args: string[]) => up.json<Record<string, number>>(...file, '--source', 'a', ...args)
  expect(await adopt('--dry-run')).toEqual({ 'plant-a-1/a': 40 })
  expect(await standing()).toEqual({ 'plant-a-1/a': 0, 'plant-a-1/b': 0 })
  expect(await adopt()).toEqual({ 'plant-a-1/a': 40 })
  expect(await standing()).toEqual({ 'plant-a-1/a': 40, 'plant-a-1/b': 0 })

  // One that the other reader had never come to would be read from its beginning, and nobody was told.
  writeFileSync(join(up.folder, 'offsets.json'), '{"plant-a-1/a": 45}')
  expect((await up.run(...file)).stdout.split('\n').map(row => row.trim().split(/ {2,}/))).toEqual([
    ['source', 'stood at', 'stands at'],
    ['plant-a-1/a', '40', '45'],
    ['plant-a-1/b', 'the beginning', 'the same: no offset of it is there'],
    [''],
  ])

  await up.json('batch', 'reset', 'load', '--to-time', '2100-01-01')
  expect(await standing()).toEqual({ 'plant-a-1/a': 50, 'plant-a-1/b': 50 })
  await up.json('batch', 'reset', 'load', '--to-time', '1971-01-01', '--source', 'b')
  expect(await standing()).toEqual({ 'plant-a-1/a': 50, 'plant-a-1/b': 0 })
})
