import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import type { JobStatus } from '../../src/reader/batch/scheduler.ts'
import type { Run } from '../../src/reader/ledger.ts'
import { until } from '../support/until.ts'
import { countTo, linesOf, sequencesOf, Up } from './up-process.ts'

/**
 * Keeps each attempt's input under the next number, and says how it ended as the files beside it want: `hold` stops it after its first line,
 * `fail` gives exit code 1.
 */
const JOB = `
attempt=$(ls out | grep -c 'id$')
echo "$HEADRACE_RUN_ID" > "out/$attempt.id"
echo "$HEADRACE_RANGES" > "out/$attempt.ranges"
read -r line && echo "$line" > "out/$attempt.lines"
while [ -e hold ]; do sleep 0.05; done
cat >> "out/$attempt.lines"
touch "out/$attempt.ended"
[ ! -e fail ] || { echo 'the warehouse is closed' >&2; exit 1; }
`

interface Offset {
  readonly source: string
  readonly offset: number
  readonly end: number
  readonly lag: number
}

type Outcome = { readonly outcome: string; readonly run: Run }

let up: Up
afterEach(async () => {
  // A command that still waits would outlive the test.
  if (up.exists('hold')) up.remove('hold')
  await up.end()
})

async function start(generator: string, files: readonly string[] = []): Promise<void> {
  up = new Up(
    `pipeline: plant
sources:
  a: { generator: { ${generator} } }
  b: { generator: { ${generator} } }
batch:
  load: { run: [./job.sh] }
  only-a: { sources: [a], run: [./job.sh] }
`,
    { 'job.sh': JOB },
  )
  for (const file of files) up.write(file)
  await up.start()
}

const offsets = (job: string) => up.json<Offset[]>('batch', 'offsets', job)
const attempt = (number: number) => ({
  id: up.read(join('out', `${number}.id`)).trim(),
  ranges: JSON.parse(up.read(join('out', `${number}.ranges`))),
  lines: linesOf(up.read(join('out', `${number}.lines`))),
})
const attemptsMade = () => readdirSync(join(up.folder, 'out')).filter(name => name.endsWith('.id')).length
const settled = (records: number) =>
  until(`${records} records of each source are settled`, async () => {
    const { edge } = await up.status()
    return edge.sources.every(source => source.settled >= records)
  })

test('a job reads what is new, once; its offsets follow; list and runs tell of it', async () => {
  await start('records_per_second: 1000, count: 300')
  await up.drained(300)
  expect(await up.json<JobStatus[]>('batch', 'list')).toEqual([
    { job: 'plant.load', next_run: null, last_run: null, lag: 600 },
    { job: 'plant.only-a', next_run: null, last_run: null, lag: 300 },
  ])
  expect((await offsets('load')).map(({ source, offset, end, lag }) => [source, offset, end, lag]).sort()).toEqual([
    ['plant-a-1/a', 0, 300, 300],
    ['plant-a-1/b', 0, 300, 300],
  ])

  const first = await up.run('batch', 'run', 'plant.load')
  const { id, lines, ranges } = attempt(0)
  expect(first).toEqual({ code: 0, stdout: `run ${id}: done, 600 records\n`, stderr: '' })
  expect(sequencesOf(lines)).toEqual({ a: countTo(300), b: countTo(300) })
  expect(ranges).toHaveLength(2)
  for (const line of lines) expect(line).toMatchObject({ gateway: 'plant-a-1', value: { n: line.seq } })

  expect((await offsets('load')).map(({ offset, lag }) => [offset, lag])).toEqual([
    [300, 0],
    [300, 0],
  ])
  expect(await up.run('batch', 'run', 'load')).toMatchObject({ code: 0, stdout: 'Nothing new to read.\n' })
  expect(attemptsMade()).toBe(1)

  const list = await up.json<JobStatus[]>('batch', 'list')
  expect(list[0]).toMatchObject({ lag: 0, last_run: { id, state: 'done', records: 600, error: null } })
  // Another job over the same sources stands where it stood.
  expect(list[1]).toMatchObject({ lag: 300, last_run: null })
  const table = await up.run('batch', 'runs', 'load')
  expect(table.stdout).toMatch(new RegExp(`^${id} +done +\\S+Z +600 +0$`, 'm'))

  expect((await up.run('batch', 'run', 'nothing')).stderr).toBe(
    'headrace: there is no batch job "nothing" on this core\nKnown: plant.load, plant.only-a.\n',
  )
})

test('a command that exits 1 moves nothing; the same run comes again with the same records, and moves it when it exits 0', async () => {
  await start('records_per_second: 200', ['fail'])
  await settled(20)
  const failed = await up.run('batch', 'run', 'load')
  const first = attempt(0)
  expect(failed).toMatchObject({ code: 1, stderr: '' })
  expect(failed.stdout).toBe(
    `run ${first.id}: failed, 0 records: ./job.sh: it ended with exit code 1; its last words: the warehouse is closed\n`,
  )
  expect((await offsets('load')).map(({ offset }) => offset)).toEqual([0, 0])
  const [{ to: end } = { to: 0 }] = first.ranges as { to: number }[]

  // More has come since: it is not part of the run that is repeated.
  await settled(end + 50)
  await up.run('batch', 'run', 'load')
  expect(attempt(1)).toEqual(first)
  expect((await offsets('load')).map(({ offset }) => offset)).toEqual([0, 0])

  up.remove('fail')
  const done = await up.json<Outcome>('batch', 'run', 'load')
  expect(attempt(2)).toEqual(first)
  const rest = attempt(3)
  expect(done).toMatchObject({ outcome: 'done', run: { id: rest.id } })
  expect(rest.id).not.toBe(first.id)
  const all = sequencesOf([...first.lines, ...rest.lines])
  for (const { source, offset } of await offsets('load')) {
    expect(offset).toBeGreaterThan(end)
    expect(all[source.split('/')[1] ?? '']).toEqual(countTo(offset))
  }
  const runs = await up.json<Run[]>('batch', 'runs', 'load')
  expect(runs.map(({ id, state }) => [id, state])).toEqual([
    [rest.id, 'done'],
    [first.id, 'done'],
  ])
})

describe('while a command runs', () => {
  test('kill -9: after the restart the same run comes again, and the runs that are done hold every record once', async () => {
    await start('records_per_second: 2000, count: 2000', ['hold'])
    await settled(500)
    const asked = up.run('batch', 'run', 'load')
    await until('the command has its first line', () => up.exists('out/0.lines'))
    await up.process.kill9()
    const { code, stderr } = await asked
    expect(code).toBe(1)
    expect(stderr).toMatch(/^headrace: /)
    expect(stderr).not.toMatch(/^\s+at /m)
    up.remove('hold')
    await until('what was left of the command has ended', () => up.exists('out/0.ended'))

    await up.start()
    await up.drained(2_000)
    const [before] = await up.json<Run[]>('batch', 'runs', 'load')
    expect(before).toMatchObject({ id: attempt(0).id, state: 'running', endedMs: null })
    expect((await offsets('load')).map(({ offset }) => offset)).toEqual([0, 0])

    await up.json('batch', 'run', 'load')
    expect(attempt(1).id).toBe(attempt(0).id)
    expect(attempt(1).ranges).toEqual(attempt(0).ranges)
    // What the first attempt had seen is the beginning of what the second was given.
    const seen = attempt(0).lines
    expect(attempt(1).lines.slice(0, seen.length)).toEqual(seen)

    const done = (await up.json<Run[]>('batch', 'runs', 'load')).filter(({ state }) => state === 'done').map(({ id }) => id)
    // Of the run that was cut off only the second attempt counts.
    const attempts = countTo(attemptsMade(), 1).map(attempt)
    const committed = attempts.filter(({ id }) => done.includes(id)).flatMap(({ lines }) => lines)
    expect(sequencesOf(committed)).toEqual({ a: countTo(2_000), b: countTo(2_000) })
  })

  test('a second run of the job is refused, another job is not, and its offsets cannot be reset', async () => {
    await start('records_per_second: 1000, count: 50', ['hold'])
    await up.drained(50)
    const asked = up.run('batch', 'run', 'load')
    await until('the command has its first line', () => up.exists('out/0.lines'))
    expect(await up.run('batch', 'run', 'load')).toEqual({
      code: 1,
      stdout: '',
      stderr: 'headrace: job plant.load is running already\nWait until it has ended.\n',
    })
    expect(await up.run('batch', 'reset', 'load', '--to', 'end')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('job plant.load is running'),
    })
    const other = up.run('batch', 'run', 'only-a')
    await until('the other has its first line', () => up.exists('out/1.lines'))
    up.remove('hold')
    expect(await asked).toMatchObject({ code: 0, stdout: expect.stringContaining('done, 100 records') })
    expect(await other).toMatchObject({ code: 0, stdout: expect.stringContaining('done, 50 records') })
  })

  test('SIGTERM ends it and what it started, and the run is the next to be repeated', async () => {
    await start('records_per_second: 1000, count: 50', ['hold'])
    await up.drained(50)
    const asked = up.run('batch', 'run', 'load')
    await until('the command has its first line', () => up.exists('out/0.lines'))
    expect(await up.process.stop()).toBe(0)
    await asked
    up.remove('hold')
    await up.start()
    expect((await up.json<Run[]>('batch', 'runs', 'load'))[0]).toMatchObject({ id: attempt(0).id, state: 'failed' })
    // It was ended: it did not live on until it was let go.
    expect(up.exists('out/0.ended')).toBe(false)
    expect(await up.json<Outcome>('batch', 'run', 'load')).toMatchObject({ outcome: 'done', run: { id: attempt(0).id } })
    expect(sequencesOf(attempt(1).lines)).toEqual({ a: countTo(50), b: countTo(50) })
  })
})

describe('reset', () => {
  test('puts a job back or forth, in one source or all; a dry run only says so', async () => {
    await start('records_per_second: 1000, count: 50')
    await up.drained(50)
    const reset = (...args: string[]) => up.json<Record<string, number>>('batch', 'reset', 'load', ...args)
    const standing = async () => Object.fromEntries((await offsets('load')).map(({ source, offset }) => [source, offset]))

    expect(await reset('--to', 'end', '--dry-run')).toEqual({ 'plant-a-1/a': 50, 'plant-a-1/b': 50 })
    expect(await standing()).toEqual({ 'plant-a-1/a': 0, 'plant-a-1/b': 0 })
    expect(await reset('--to', 'end', '--source', 'b')).toEqual({ 'plant-a-1/b': 50 })
    expect(await reset('--to', '47', '--source', 'plant-a-1/a')).toEqual({ 'plant-a-1/a': 47 })
    expect(await standing()).toEqual({ 'plant-a-1/a': 47, 'plant-a-1/b': 50 })
    await up.json('batch', 'run', 'load')
    expect(sequencesOf(attempt(0).lines)).toEqual({ a: [47, 48, 49] })

    expect(await reset('--to', 'beginning')).toEqual({ 'plant-a-1/a': 0, 'plant-a-1/b': 0 })
    await up.json('batch', 'run', 'load')
    expect(sequencesOf(attempt(1).lines)).toEqual({ a: countTo(50), b: countTo(50) })
  })

  test('to an offset that is not there changes nothing', async () => {
    await start('records_per_second: 1000, count: 50')
    await up.drained(50)
    expect(await up.run('batch', 'reset', 'only-a', '--to', '51')).toEqual({
      code: 1,
      stdout: '',
      stderr: 'headrace: plant-a-1/a: 51 is not in [0, 50]\n',
    })
    expect((await offsets('only-a')).map(({ offset }) => offset)).toEqual([0])
  })

  test.fails('to what is no offset is the wrong input, and changes nothing', async () => {
    await start('records_per_second: 1000, count: 50')
    await up.drained(50)
    await up.json('batch', 'reset', 'only-a', '--to', 'end')
    const codes = [await up.run('batch', 'reset', 'only-a', '--to', 'soon'), await up.run('batch', 'reset', 'only-a', '--to', '')]
    expect(codes.map(({ code }) => code)).toEqual([2, 2])
    expect((await offsets('only-a')).map(({ offset }) => offset)).toEqual([50])
  })
})
