import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Log } from '../../src/log/log.ts'
import { openSqliteLog } from '../../src/log/sqlite/sqlite-log.ts'
import { BatchJob } from '../../src/reader/batch/job.ts'
import { batchJobOptions } from '../../src/reader/batch/options.ts'
import type { RunResult } from '../../src/reader/batch/runner.ts'
import { Ledger, type Range } from '../../src/reader/ledger.ts'
import type { ValueShape } from '../../src/reader/render/renderer.ts'
import { BatchWriter } from '../../src/record/batch-writer.ts'
import { encodePlaceholder } from '../../src/record/placeholder.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'

const TIME_MS = Date.UTC(2026, 0, 2, 3, 4, 5)
const TIME = '2026-01-02T03:04:05.000Z'
const JSON_AB: ValueShape = { json: true, columns: ['a', 'b'] }
const JSON_BC: ValueShape = { json: true, columns: ['b', 'c'] }
const TEXT: ValueShape = { json: false, columns: [] }

let folder: string
let log: Log
let ledger: Ledger
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-job-'))
  log = await openSqliteLog({ path: join(folder, 'log.db'), clock: systemClock })
  ledger = new Ledger(join(folder, 'readers.db'))
})
afterEach(async () => {
  ledger.close()
  await log.close()
  rmSync(folder, { recursive: true, force: true })
})

/** A job whose command keeps what it reads in `in`, unless the test has another. */
function job(options: Readonly<Record<string, unknown>> = {}, shapes: Readonly<Record<string, ValueShape>> = {}): BatchJob {
  return new BatchJob(
    {
      name: 'plant.load',
      topic: 'plant',
      options: batchJobOptions.parse({ run: ['sh', '-c', 'cat > in'], ...options }),
      folder,
      declared: [],
      shapeOf: ({ source }) => shapes[source] ?? TEXT,
    },
    {
      ...{ log, ledger, clock: systemClock, random: Math.random, logger: silentLogger },
      ...{ alarms: new Alarms(systemClock), core: 'core', runsDir: join(folder, 'runs') },
    },
  )
}

const run = (of: BatchJob): Promise<RunResult> => of.run(new AbortController().signal)
const read = (name = 'in') => readFileSync(join(folder, name), 'utf8')
const offsets = () => Object.fromEntries(ledger.offsets('plant.load'))

const writer = new BatchWriter()

async function place(source: string, gateway = 'g') {
  const claim = await log.claim({ gateway, source }, 'plant')
  const { next, proof } = await log.end(claim)
  const { producerId, epoch, epochStart } = claim
  return { claim, proof, identity: { key: `${gateway}/${source}`, producerId, epoch, epochStart, sequence: next } }
}

/** Appends one batch of values. */
async function lay(source: string, values: readonly string[], gateway?: string): Promise<void> {
  const { claim, proof, identity } = await place(source, gateway)
  writer.begin(identity)
  for (const value of values) {
    const bytes = Buffer.from(value)
    writer.append(TIME_MS, bytes, 0, bytes.length)
  }
  expect(await log.append(claim, writer.finish('zstd'), proof)).toMatchObject({ outcome: 'appended' })
}

async function layPlaceholder(source: string, count: number): Promise<void> {
  const { claim, proof, identity } = await place(source)
  const gap = { records: count, from: TIME, to: TIME, reason: 'buffer_full' as const }
  const batch = encodePlaceholder(writer, identity, { count, timeMs: TIME_MS, gap })
  expect(await log.append(claim, batch, proof)).toMatchObject({ outcome: 'appended' })
}

describe('what the command reads', () => {
  test('NDJSON: values that are JSON as they are, others as text', async () => {
    await lay('a', ['{"kwh":1.50}'])
    await lay('b', ['on', 'off'])
    await run(job({}, { a: JSON_AB }))
    expect(read().trimEnd().split('\n').sort()).toEqual([
      `{"gateway":"g","source":"a","seq":0,"time_ms":${TIME_MS},"value":{"kwh":1.50}}`,
      `{"gateway":"g","source":"b","seq":0,"time_ms":${TIME_MS},"value":"on"}`,
      `{"gateway":"g","source":"b","seq":1,"time_ms":${TIME_MS},"value":"off"}`,
    ])
  })

  test('the devices: an analyser that came later gave an old job its derived records as well', async () => {
    await lay('pump', ['1'])
    await lay('pump-1m', ['{"n":60}'], 'analysers')
    await run(job())
    expect(read()).toBe(`{"gateway":"g","source":"pump","seq":0,"time_ms":${TIME_MS},"value":"1"}\n`)
    await run(job({ sources: ['analysers/pump-*'] }))
    expect(read()).toContain('"source":"pump-1m"')
  })

  test('CSV: one header for all sources, with the columns of each', async () => {
    await lay('x', ['{"a":1,"b":"two"}'])
    await lay('y', ['{"b":3,"c":4}', 'broken'])
    await run(job({ input: 'csv' }, { x: JSON_AB, y: JSON_BC }))
    const [head, ...rows] = read().trimEnd().split('\n')
    expect(head).toBe('gateway,source,seq,time,a,b,c')
    expect(rows.sort()).toEqual([`g,x,0,${TIME},1,two,`, `g,y,0,${TIME},,3,4`, `g,y,1,${TIME},,,`])
  })

  test('CSV: what has no known fields loses nothing where another source has columns', async () => {
    await lay('x', ['{"a":1,"b":"two"}'])
    await lay('y', ['{"z":3}'])
    await run(job({ input: 'csv' }, { x: JSON_AB, y: { json: true, columns: [] } }))
    const [head, ...rows] = read().trimEnd().split('\n')
    expect(head).toBe('gateway,source,seq,time,a,b,value')
    expect(rows.sort()).toEqual([`g,x,0,${TIME},1,two,`, `g,y,0,${TIME},,,"{""z"":3}"`])
  })

  test('CSV: the columns that the job names, whatever its sources have', async () => {
    await lay('x', ['{"a":1,"b":{"deep":"two"}}'])
    await lay('y', ['{"b":3,"c":4}'])
    await run(job({ input: 'csv', columns: ['b.deep', 'c'] }, { x: JSON_AB, y: JSON_BC }))
    const [head, ...rows] = read().trimEnd().split('\n')
    expect(head).toBe('gateway,source,seq,time,b.deep,c')
    expect(rows.sort()).toEqual([`g,x,0,${TIME},two,`, `g,y,0,${TIME},,4`])
  })

  test('CSV: the header alone where a run is wanted without records', async () => {
    await lay('x', ['{"a":1,"b":2}'])
    const csv = job({ input: 'csv', run_when_empty: true }, { x: JSON_AB })
    await run(csv)
    expect(read()).toBe(`gateway,source,seq,time,a,b\ng,x,0,${TIME},1,2\n`)
    expect(await run(csv)).toMatchObject({ outcome: 'done', run: { records: 0 } })
    expect(read()).toBe('gateway,source,seq,time,a,b\n')
  })

  test('raw: the values, a line each', async () => {
    await lay('a', ['$GPGGA,1', '$GPGGA,2'])
    await run(job({ input: 'raw' }))
    expect(read()).toBe('$GPGGA,1\n$GPGGA,2\n')
  })

  test('raw: a value with a line break fails the run, which names the record; nothing is left out in silence', async () => {
    await lay('a', ['one', 'two\nlines'])
    expect(await run(job({ input: 'raw' }))).toMatchObject({
      outcome: 'failed',
      error: expect.stringContaining('the record with sequence 1 holds a line break'),
    })
    expect(offsets()).toEqual({})
  })

  test('sources that its globs fit, and no other topic', async () => {
    await lay('meter-1', ['1'])
    await lay('meter-2', ['2'])
    await lay('pump', ['3'])
    await run(job({ input: 'raw', sources: ['meter-?'] }))
    expect(read().trimEnd().split('\n').sort()).toEqual(['1', '2'])
    expect(offsets()).toEqual({ 'g/meter-1': 1, 'g/meter-2': 1 })
  })

  test('placeholders are counted and not handed over', async () => {
    await lay('a', ['one'])
    await layPlaceholder('a', 5)
    await lay('a', ['two'])
    const result = await run(job())
    expect(result).toMatchObject({ outcome: 'done', run: { records: 2, placeholders: 5 } })
    expect(
      read()
        .trimEnd()
        .split('\n')
        .map(line => JSON.parse(line).seq),
    ).toEqual([0, 6])
    expect(offsets()).toEqual({ 'g/a': 7 })
  })

  test('from the middle of a batch on, where its offset stands there', async () => {
    await lay('a', ['zero', 'one', 'two', 'three'])
    ledger.setOffsets('plant.load', new Map([['g/a', 2]]))
    expect(await run(job({ input: 'raw' }))).toMatchObject({ outcome: 'done', run: { records: 2 } })
    expect(read()).toBe('two\nthree\n')
  })

  test('more than a pipe holds, whole and in order', async () => {
    const values = Array.from({ length: 5_000 }, (_, index) => `${index} ${'x'.repeat(200)}`)
    for (let from = 0; from < values.length; from += 500) await lay('a', values.slice(from, from + 500))
    await run(job({ input: 'raw', run: ['sh', '-c', 'sleep 0.2; cat > in'] }))
    expect(read()).toBe(`${values.join('\n')}\n`)
  })
})

describe('what the command is told', () => {
  test('job, run and ranges, beside an environment of its own, in the folder of its pipeline', async () => {
    await lay('a', ['one', 'two'])
    const script = 'pwd > where; echo "$HEADRACE_JOB $HEADRACE_RUN_ID $TARGET" > told; echo "$HEADRACE_RANGES" > ranges; cat > in'
    const result = await run(job({ run: ['sh', '-c', script], environment: { TARGET: 'warehouse', HEADRACE_JOB: 'other' } }))
    const { id } = (result as Extract<RunResult, { outcome: 'done' }>).run
    expect(read('told')).toBe(`plant.load ${id} warehouse\n`)
    expect(read('where').trim()).toBe(folder)
    const ranges = JSON.parse(read('ranges')) as Range[]
    expect(ranges).toEqual([{ source: 'g/a', topic: 'plant', partition: expect.any(Number), from: 0, to: 2 }])
  })

  test('types and units of the fields of what it reads, where the registry has them; they stay with what it leaves', async () => {
    const oil = { oil_c: { type: 'number', unit: '°C', description: 'Oil in the sump' }, state: { type: 'text' } } as const
    await lay('compressor', ['{"oil_c":91,"state":"run"}'])
    await lay('unknown', ['1'])
    await lay('meter', ['{"kwh":1}'])
    await log.describe([
      { source: { gateway: 'g', source: 'compressor' }, fields: oil },
      { source: { gateway: 'g', source: 'meter' }, fields: { kwh: { unit: 'kWh' } } },
    ])
    const command = 'cat > /dev/null; cp "$HEADRACE_FIELDS_FILE" by-environment; cp "$1" by-argument'
    await run(job({ sources: ['compressor', 'unknown'], run: ['sh', '-c', command, 'sh', '{fields_file}'] }))
    const [id = ''] = ledger.runs('plant.load', 1).map(({ id }) => id)
    for (const file of ['by-environment', 'by-argument', join('runs', 'plant.load', id, 'fields.json')])
      expect(JSON.parse(read(file))).toEqual({ 'g/compressor': oil })
    const { files } = JSON.parse(read(join('runs', 'plant.load', id, 'manifest.json'))) as { files: { path: string }[] }
    expect(files.map(({ path }) => path)).toEqual(['fields.json', 'ranges.json'])
  })

  test('nothing, where nothing is new: it is not started', async () => {
    await lay('a', ['one'])
    await run(job())
    rmSync(join(folder, 'in'))
    expect(await run(job())).toEqual({ outcome: 'empty' })
    expect(existsSync(join(folder, 'in'))).toBe(false)
  })
})

describe('a run that did not end well', () => {
  test.each([
    ['exits 3', { run: ['sh', '-c', 'cat > in; exit 3'] }, 'sh: it ended with exit code 3', 3],
    ['is not there', { run: ['/none'] }, '/none: it could not be started: /none is not there', null],
    [
      'takes longer than its time limit',
      { run: ['sh', '-c', 'cat > in; sleep 1000'], time_limit: '1s' },
      'sh: it ran longer than its time limit of 1 s',
      null,
    ],
  ])('because the command %s leaves the offset, and is the next to be run', async (_what, options, error, exitCode) => {
    await lay('a', ['one'])
    const failed = await run(job({ input: 'raw', ...options }))
    expect(failed).toMatchObject({ outcome: 'failed', error, run: { state: 'failed', exitCode } })
    expect(offsets()).toEqual({})

    const { id } = (failed as Extract<RunResult, { outcome: 'failed' }>).run
    const again = await run(job({ input: 'raw' }))
    expect(again).toMatchObject({ outcome: 'done', run: { id, state: 'done', records: 1 } })
    expect(read()).toBe('one\n')
    expect(offsets()).toEqual({ 'g/a': 1 })
  })

  test('because the command was not executable says so', async () => {
    await lay('a', ['one'])
    writeFileSync(join(folder, 'load.sh'), '#!/bin/sh\ncat\n')
    chmodSync(join(folder, 'load.sh'), 0o644)
    expect(await run(job({ run: ['./load.sh'] }))).toMatchObject({
      outcome: 'failed',
      error: `./load.sh: it could not be started: ${join(folder, 'load.sh')} may not be executed (chmod +x)`,
    })
  })

  test('because the command stopped reading has not read all, even if it exits 0', async () => {
    const large = 'x'.repeat(100_000)
    for (let batch = 0; batch < 10; batch++) await lay('a', [large, large, large, large])
    expect(await run(job({ input: 'raw', run: ['sh', '-c', 'head -c 1 > in'] }))).toMatchObject({
      outcome: 'failed',
      error: expect.stringContaining('the command stopped reading before it had all records'),
    })
    expect(offsets()).toEqual({})
  })

  test('because Headrace stops is repeated under its id', async () => {
    await lay('a', ['one'])
    const stopping = new AbortController()
    const running = job({ run: ['sh', '-c', 'cat > in; sleep 1000'] }).run(stopping.signal)
    stopping.abort(new Error('stopping'))
    const failed = await running
    expect(failed).toMatchObject({ outcome: 'failed', run: { state: 'failed' } })
    expect(offsets()).toEqual({})
    const { id } = (failed as Extract<RunResult, { outcome: 'failed' }>).run
    expect(await run(job())).toMatchObject({ outcome: 'done', run: { id } })
  })

  test('is repeated as it was; what came since, from new sources too, is the run after it', async () => {
    await lay('a', ['one'])
    await run(job({ run: ['false'] }))
    await lay('a', ['two'])
    await lay('b', ['three'])
    const script = 'cat > "in.$HEADRACE_RUN_ID"'
    const result = await run(job({ input: 'raw', run: ['sh', '-c', script] }))
    expect(result).toMatchObject({ outcome: 'done', run: { records: 2 } })
    const [second, first] = ledger.runs('plant.load', 10)
    expect(read(`in.${first?.id}`)).toBe('one\n')
    expect(read(`in.${second?.id}`).trimEnd().split('\n').sort()).toEqual(['three', 'two'])
    expect(offsets()).toEqual({ 'g/a': 2, 'g/b': 1 })
  })

  test('is forgotten where somebody has moved the job meanwhile', async () => {
    await lay('a', ['one', 'two'])
    await run(job({ run: ['false'] }))
    ledger.setOffsets('plant.load', new Map([['g/a', 1]]))
    await run(job({ input: 'raw' }))
    expect(read()).toBe('two\n')
  })
})

test('two runs never overlap', async () => {
  await lay('a', ['one'])
  const one = job({ run: ['sh', '-c', 'sleep 0.2; cat > in'] })
  const first = run(one)
  expect(one.running).toBe(true)
  expect(() => run(one)).toThrow('job plant.load is running already')
  expect(await first).toMatchObject({ outcome: 'done' })
  expect(one.running).toBe(false)
})

test('an offset that the log has no more is an error that names the range, and is not moved', async () => {
  await lay('a', ['zero', 'one'])
  await lay('a', ['two', 'three'])
  ledger.setOffsets('plant.load', new Map([['g/a', 1]]))
  const { claim } = await place('a')
  await log.trim(claim, 2)
  await expect(run(job())).rejects.toMatchObject({
    code: 'offset_out_of_range',
    message: 'g/a: the job stands at 1, the log has [2, 4): [1, 2) is not there',
    advice: expect.stringContaining('--source g/a --to 2'),
  })
  expect(offsets()).toEqual({ 'g/a': 1 })
  expect(existsSync(join(folder, 'in'))).toBe(false)
})

test('the same ranges are the same run for every process, other ranges or jobs are another', async () => {
  await lay('a', ['one'])
  const ids = new Set<string>()
  for (let time = 0; time < 3; time++) {
    const failed = await run(job({ run: ['false'] }))
    ids.add((failed as Extract<RunResult, { outcome: 'failed' }>).run.id)
  }
  expect(ids.size).toBe(1)
  expect(ledger.runs('plant.load', 10)).toHaveLength(1)
})
