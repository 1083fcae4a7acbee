import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Manifest } from '../../src/reader/batch/manifest.ts'
import { FileSink } from '../../src/reader/batch/sinks.ts'
import { until } from '../support/until.ts'
import { JobWorld, runNow, runOf, TIME_MS } from './job-world.ts'

let world: JobWorld
beforeEach(async () => {
  world = await new JobWorld().open()
})
afterEach(() => world.close())

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const JSON_AB = { json: true, columns: ['a', 'b'] }
const JSON_C = { json: true, columns: ['c'] }

describe('a run that is done', () => {
  test('leaves its directory with what the command made and a manifest, and nothing half done beside it', async () => {
    await world.lay('a', ['one', 'two'])
    await world.lay('b', ['three'])
    const script = 'mkdir "$HEADRACE_RUN_DIR/out" && cat > "$HEADRACE_RUN_DIR/out/all" && echo loaded'
    const run = runOf(await runNow(world.job({ run: ['sh', '-c', script], stdout: 'report.txt' })))
    const directory = world.path('runs', 'plant.load', run.id)
    expect(run.directory).toBe(directory)
    expect(readdirSync(world.path('runs', 'plant.load')).sort()).toEqual([run.id, `${run.id}.log`].sort())
    const manifest = JSON.parse(readFileSync(`${directory}/manifest.json`, 'utf8')) as Manifest
    expect(manifest).toMatchObject({
      run: run.id,
      job: 'plant.load',
      kind: 'run',
      exit_code: 0,
      attempts: 1,
      records: 3,
      placeholders: 0,
    })
    expect(manifest.ranges).toEqual([
      { source: 'g/a', topic: 'plant', partition: 0, from: 0, to: 2, records: 2, placeholders: 0, sha256: sha256('one\ntwo\n') },
      { source: 'g/b', topic: 'plant', partition: 1, from: 0, to: 1, records: 1, placeholders: 0, sha256: sha256('three\n') },
    ])
    const all = readFileSync(`${directory}/out/all`, 'utf8')
    expect(manifest.files).toContainEqual({ path: 'out/all', bytes: all.length, sha256: sha256(all) })
    expect(manifest.files).toContainEqual({ path: 'report.txt', bytes: 7, sha256: sha256('loaded\n') })
  })

  test('keeps what is its own where another job that runs beside it means to appear in the same place; that one fails', async () => {
    await world.lay('a', ['one'])
    const where = { run_directory: 'exports/{date}' }
    const first = 'cat > "$HEADRACE_RUN_DIR/first"; touch began; while [ ! -e go ]; do sleep 0.02; done'
    const running = runNow(world.job({ ...where, run: ['sh', '-c', first] }))
    await until('it has begun', () => existsSync(world.path('began')))
    const second = 'cat > "$HEADRACE_RUN_DIR/second"; touch go; while ! ls -d exports/2*; do sleep 0.02; done'
    const other = await runNow(world.job({ ...where, run: ['sh', '-c', second] }, { name: 'plant.other' }))
    const { id, directory } = runOf(await running)
    expect(readdirSync(directory ?? '')).toEqual(['fields.json', 'first', 'manifest.json', 'ranges.json'])
    expect(other).toMatchObject({ outcome: 'failed', error: expect.stringContaining(`belongs to run ${id}`) })
  })

  test('may have links in it: those to files are listed as files, those to directories are not followed', async () => {
    await world.lay('a', ['one'])
    const links = 'cat > all; ln -s all latest; mkdir day; ln -s .. day/up; ln -s . here; ln -s self self; ln -s gone dangling'
    const run = runOf(await runNow(world.job({ run: ['sh', '-c', `cd "$HEADRACE_RUN_DIR" && ${links}`] })))
    expect(run).toMatchObject({ state: 'done', error: null })
    const manifest = JSON.parse(readFileSync(`${run.directory}/manifest.json`, 'utf8')) as Manifest
    expect(manifest.files.map(({ path }) => path)).toEqual(['all', 'fields.json', 'latest', 'ranges.json'])
  })

  test('puts it where it is wanted; what is there of another run is not touched, and the command is not started', async () => {
    await world.lay('a', ['one'])
    const job = world.job({ run: ['sh', '-c', 'cat > "$HEADRACE_RUN_DIR/in"; touch started'], run_directory: 'exports/{date}' })
    await job.run(new AbortController().signal, { atMs: TIME_MS })
    expect(world.read('exports', '2026-01-02', 'in')).toBe('one\n')
    await world.lay('a', ['two'])
    expect(await job.run(new AbortController().signal, { atMs: TIME_MS })).toMatchObject({
      outcome: 'failed',
      error: expect.stringMatching(/exports\/2026-01-02 is there already and belongs to run [0-9a-f]{16}/),
    })
    expect(world.read('exports', '2026-01-02', 'in')).toBe('one\n')
    expect(world.offsets()).toEqual({ 'g/a': 1 })
  })

  test('of older runs as many are kept as are wanted, with their logs', async () => {
    const job = world.job({ keep_runs: 2 })
    for (const value of ['one', 'two', 'three', 'four']) {
      await world.lay('a', [value])
      await runNow(job)
    }
    const kept = world.ledger.runs('plant.load', 2).map(({ id }) => id)
    const names = readdirSync(world.path('runs', 'plant.load'))
    expect(names.filter(name => !name.includes('.')).sort()).toEqual(kept.sort())
    expect(names.filter(name => name.endsWith('.log')).sort()).toEqual(kept.map(id => `${id}.log`))
  })

  test('the directory of a run that was not said to be done any more outlasts the backfills after it: it was done once more', async () => {
    await world.lay('a', ['one'])
    const options = { keep_runs: 1, run: ['sh', '-c', 'cat >> seen'] }
    const onStep = (step: string) => {
      if (step === 'published') throw new Error('the disk is full')
    }
    await runNow(world.job(options, { deps: { onStep } }))
    const all = { from: { sequence: 0 }, to: { sequence: 1 }, source: '*' }
    await world.job(options).backfill(new AbortController().signal, all)
    expect(await runNow(world.job(options))).toMatchObject({ outcome: 'done' })
    expect(world.read('seen')).toBe('one\none\n')
  })

  test('when fewer are to be kept all others go, however many they are, and what one that failed and was not repeated left half done', async () => {
    await world.lay('a', ['bad'])
    await runNow(world.job({ run: ['sh', '-c', 'echo half > "$HEADRACE_RUN_DIR/half"; exit 1'] }))
    world.ledger.setOffsets('plant.load', new Map([['g/a', 1]]))
    for (let count = 0; count < 26; count++) {
      await world.lay('a', ['good'])
      await runNow(world.job())
    }
    for (let count = 0; count < 4; count++) {
      await world.lay('a', ['good'])
      await runNow(world.job({ keep_runs: 2 }))
    }
    const kept = world.ledger.runs('plant.load', 2).map(({ id }) => id)
    expect(readdirSync(world.path('runs', 'plant.load')).sort()).toEqual(kept.flatMap(id => [id, `${id}.log`]).sort())
  })

  test('one that fails leaves no directory, and its log says why', async () => {
    await world.lay('a', ['one'])
    const run = runOf(await runNow(world.job({ run: ['sh', '-c', 'cat > "$HEADRACE_RUN_DIR/half"; echo no space >&2; exit 7'] })))
    expect(existsSync(world.path('runs', 'plant.load', run.id))).toBe(false)
    expect(readFileSync(run.log ?? '', 'utf8')).toMatch(
      /attempt 1 of run .*\nno space\n--- failed: sh: it ended with exit code 7/s,
    )
    expect(world.alarms.list()).toMatchObject([{ code: 'batch_failed', source: 'plant.load' }])
    await runNow(world.job())
    expect(world.alarms.list()).toEqual([])
  })
})

describe('records in files', () => {
  test('one for each source, with its own columns, where the old job always found it; and its place on the command line', async () => {
    await world.lay('x', ['{"a":1,"b":2}'])
    await world.lay('y', ['{"c":3}', '{"c":4}'])
    mkdirSync(world.path('spool'))
    writeFileSync(world.path('spool', 'x_20260102.csv'), 'of yesterday')
    const job = world.job(
      {
        input: 'csv',
        files: world.path('spool', '{source}_{date:%Y%m%d}.csv'),
        run: ['sh', '-c', 'cat "$1"/*_"$2".csv > seen; cat > stdin', 'old-job', world.path('spool'), '{date:%Y%m%d}'],
      },
      { shapes: { x: JSON_AB, y: JSON_C } },
    )
    const time = '2026-01-02T03:04:05.000Z'
    expect(await job.run(new AbortController().signal, { atMs: TIME_MS })).toMatchObject({ outcome: 'done', run: { records: 3 } })
    expect(world.read('spool', 'x_20260102.csv')).toBe(`gateway,source,seq,time,a,b\ng,x,0,${time},1,2\n`)
    expect(world.read('spool', 'y_20260102.csv')).toBe(
      `gateway,source,seq,time,c\ng,y,0,${time},3\ng,y,1,${time.replace('000Z', '001Z')},4\n`,
    )
    expect(world.read('seen')).toBe(world.read('spool', 'x_20260102.csv') + world.read('spool', 'y_20260102.csv'))
    expect(world.read('stdin')).toBe('')
    expect(readdirSync(world.path('spool'))).toEqual(['x_20260102.csv', 'y_20260102.csv'])
  })

  test('one for all, within the run directory', async () => {
    await world.lay('a', ['one', 'two'])
    await world.lay('b', ['three'])
    const run = runOf(
      await runNow(world.job({ files: 'in/all.txt', run: ['wc', '-l', '{run_dir}/in/all.txt'], stdout: 'count' })),
    )
    expect(readFileSync(`${run.directory}/in/all.txt`, 'utf8').trim().split('\n').sort()).toEqual(['one', 'three', 'two'])
    expect(readFileSync(`${run.directory}/count`, 'utf8')).toMatch(/^3 /)
  })

  test('of hundreds of sources, more than are open at once', async () => {
    const names = Array.from({ length: 300 }, (_, index) => `s-${index}`)
    const sink = new FileSink(new Map(names.map(name => [name, world.path('many', name)])), new Map())
    for (const text of ['first\n', 'second\n']) for (const name of names) await sink.write(name, [Buffer.from(`${name} ${text}`)])
    expect(existsSync(world.path('many', 's-0'))).toBe(false)
    await sink.end()
    for (const name of names) expect(world.read('many', name)).toBe(`${name} first\n${name} second\n`)
  })

  test('two gateways have a source of the same name: said, not mixed', async () => {
    await world.lay({ gateway: 'g', source: 'a' }, ['one'])
    await world.lay({ gateway: 'h', source: 'a' }, ['two'])
    expect(await runNow(world.job({ files: '{source}.txt' }))).toMatchObject({
      outcome: 'failed',
      error: expect.stringContaining('gives two sources the same file'),
    })
    const run = runOf(await runNow(world.job({ files: '{gateway}/{source}.txt', run: ['true'] })))
    expect(readFileSync(`${run.directory}/h/a.txt`, 'utf8')).toBe('two\n')
  })
})

test('a program is meant from the working directory; where nothing is there, from beside the pipeline file', async () => {
  await world.lay('a', ['one'])
  writeFileSync(world.path('load.sh'), '#!/bin/sh\npwd > where\n', { mode: 0o755 })
  const run = runOf(await runNow(world.job({ run: ['./load.sh'], cwd: '{run_dir}', files: 'in' })))
  expect(readFileSync(`${run.directory}/where`, 'utf8')).toContain('.partial')
  mkdirSync(world.path('other'))
  writeFileSync(world.path('other', 'load.sh'), '#!/bin/sh\ntouch other\n', { mode: 0o755 })
  await world.lay('a', ['two'])
  await runNow(world.job({ run: ['./load.sh'], cwd: 'other', files: 'in' }))
  expect(existsSync(world.path('other', 'other'))).toBe(true)
})

test('what the command is told of its run', async () => {
  await world.lay('a', ['one'])
  const script =
    'printf "%s|" "$@" "$HEADRACE_RUN_TIME" "$HEADRACE_ATTEMPT" "$HEADRACE_MISSING" "$WHO" > told; cat "$HEADRACE_RANGES_FILE" > ranges'
  const job = world.job({
    run: ['sh', '-c', script, 'x', '{run_id}', '{from}-{to} of {source}', '{pipeline}/{job}'],
    environment: { WHO: 'run {run_id}' },
  })
  const { id } = runOf(await job.run(new AbortController().signal, { atMs: TIME_MS, missing: ['g/b'] }))
  expect(world.read('told')).toBe(`${id}|0-1 of a|plant/load|2026-01-02T03:04:05.000Z|1|g/b|run ${id}|`)
  expect(JSON.parse(world.read('ranges'))).toEqual([{ source: 'g/a', topic: 'plant', partition: 0, from: 0, to: 1 }])
})
