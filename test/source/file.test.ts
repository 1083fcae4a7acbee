import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { LineCutter } from '../../src/source/line-cutter.ts'
import { until } from '../support/until.ts'
import { SourceBench } from './harness.ts'

let bench: SourceBench
let folder: string
let log: string
beforeEach(() => {
  bench = new SourceBench()
  folder = mkdtempSync(join(tmpdir(), 'headrace-file-'))
  log = join(folder, 'app.log')
})
afterEach(async () => {
  await bench.end()
  rmSync(folder, { recursive: true, force: true })
})

test('lines are cut the same wherever a read ends, with the place behind each', () => {
  const text = 'one\r\ntwo\r\n\r\nthree-is-long\r\nfour\r\nrest'
  for (let size = 1; size <= text.length; size++) {
    const lines: [string, number][] = []
    let tooLong = 0
    const cutter = new LineCutter({
      delimiter: Buffer.from('\r\n'),
      maxBytes: 8,
      onLine: (line, end) => lines.push([line.toString(), end]),
      onTooLong: () => tooLong++,
    })
    for (let from = 0; from < text.length; from += size) {
      const chunk = Buffer.from(text.slice(from, from + size))
      cutter.push(chunk, from + chunk.length)
      chunk.fill(0)
    }
    cutter.end(text.length)
    expect(lines).toEqual([
      ['one', 5],
      ['two', 10],
      ['four', 33],
      ['rest', 37],
    ])
    expect(tooLong).toBe(1)
  }
})

describe('following a file', () => {
  const start = (more: object = {}) => bench.start('file', { path: log, every: '10ms', ...more })

  test('it is waited for, read as it grows, and half a line waits for its end', async () => {
    const runner = start()
    await until('it waits', () => runner.status().state === 'waiting')
    writeFileSync(log, 'one\ntw')
    await until('a line', () => bench.records.length === 1)
    appendFileSync(log, 'o\nthree\n')
    await until('all three', () => bench.records.length === 3)
    expect(bench.texts).toEqual(['one', 'two', 'three'])
  })

  test('from its end: what was there before is passed over', async () => {
    writeFileSync(log, 'old\n')
    const runner = start({ from: 'end' })
    await until('it reads', () => runner.status().state === 'reading')
    appendFileSync(log, 'new\n')
    await until('a line', () => bench.records.length === 1)
    expect(bench.texts).toEqual(['new'])
  })

  test('renamed and made anew while it is read: the old one to its end, with what is written to it late, then the new one', async () => {
    writeFileSync(log, 'one\n')
    start()
    await until('a line', () => bench.records.length === 1)
    renameSync(log, `${log}.1`)
    appendFileSync(`${log}.1`, 'two\nlast without an end')
    writeFileSync(log, 'three\n')
    await until('all', () => bench.records.length === 4)
    expect(bench.texts).toEqual(['one', 'two', 'last without an end', 'three'])
  })

  test('cut short while it is read: begins anew, and says so', async () => {
    writeFileSync(log, 'one\ntwo\n')
    const runner = start()
    await until('two lines', () => bench.records.length === 2)
    truncateSync(log, 0)
    await until('it was seen', () => runner.status().trouble['the file was cut short'] === 1)
    appendFileSync(log, 'three\n')
    await until('three lines', () => bench.records.length === 3)
    expect(bench.texts).toEqual(['one', 'two', 'three'])
  })

  test('cut short and longer again by the time it is looked at: its new beginning was not seen', async () => {
    writeFileSync(log, 'one\n')
    const runner = start()
    await until('a line', () => bench.records.length === 1)
    appendFileSync(log, 'two\n')
    await until('two lines', () => bench.records.length === 2)
    truncateSync(log, 0)
    appendFileSync(log, 'three\nfour\nfive\n')
    await until('all of it', () => bench.records.length >= 5)
    expect(bench.texts).toEqual(['one', 'two', 'three', 'four', 'five'])
    expect(runner.status().trouble).toEqual({ 'the file was cut short': 1 })
  })

  test('after a restart nothing is read twice, and nothing is left out, wherever it was stopped', async () => {
    const lines = Array.from({ length: 12 }, (_, n) => `line ${n}`)
    writeFileSync(log, `${lines.join('\n')}\n`)
    for (let stop = 0; stop < lines.length; stop++) {
      const before = new SourceBench()
      before.start('file', { path: log, every: '10ms' })
      await until('all lines', () => before.records.length === lines.length)
      await before.end()
      const after = new SourceBench()
      after.start('file', { path: log, every: '10ms' }, { bookmark: before.records[stop]?.bookmark ?? '' })
      await until('the rest', () => after.records.length === lines.length - stop - 1)
      expect(after.texts).toEqual(lines.slice(stop + 1))
      await after.end()
    }
  })

  test('renamed twice while nothing ran: what was left is read first, then what came in between', async () => {
    writeFileSync(log, 'one\ntwo\n')
    start()
    await until('both', () => bench.records.length === 2)
    const bookmark = bench.records[0]?.bookmark ?? ''
    await bench.end()
    renameSync(log, `${log}.2`)
    writeFileSync(`${log}.1`, 'three\n')
    utimesSync(`${log}.2`, 1_000, 1_000)
    utimesSync(`${log}.1`, 2_000, 2_000)
    writeFileSync(log, 'four\n')
    const after = new SourceBench()
    after.start('file', { path: log, every: '10ms' }, { bookmark })
    await until('the rest', () => after.records.length === 3)
    expect(after.texts).toEqual(['two', 'three', 'four'])
    await after.end()
  })

  test('an inode that another file was given is not taken for the old file', async () => {
    writeFileSync(log, 'one\ntwo\n')
    start()
    await until('both', () => bench.records.length === 2)
    const bookmark = bench.records[1]?.bookmark ?? ''
    await bench.end()
    // The same inode and longer, with another beginning.
    writeFileSync(log, 'other\nthing\nagain\n')
    const after = new SourceBench()
    const runner = after.start('file', { path: log, every: '10ms' }, { bookmark })
    await until('all of it', () => after.records.length === 3)
    expect(runner.status().trouble).toEqual({ 'the file was put away before it was read to its end': 1 })
    await after.end()
  })

  test('copied and emptied between two looks (copytruncate): what only the copy has was lost', async () => {
    writeFileSync(log, 'one\ntwo\nhal')
    const runner = start()
    await until('two lines', () => bench.records.length === 2)
    // Of a name of its own until it is whole, as whoever copies a file while it is looked at could be met in the middle of it.
    writeFileSync(join(folder, 'copy'), 'one\ntwo\nhalf\nthree\n')
    renameSync(join(folder, 'copy'), `${log}.1`)
    truncateSync(log, 0)
    appendFileSync(log, 'four\n')
    await until('all of it', () => bench.records.length === 5)
    expect(bench.texts).toEqual(['one', 'two', 'half', 'three', 'four'])
    expect(runner.status().trouble).toEqual({ 'the file was cut short': 1 })
  })

  test('copied and emptied while nothing ran: what only the copy has was lost', async () => {
    writeFileSync(log, 'one\ntwo\n')
    start()
    await until('both', () => bench.records.length === 2)
    const bookmark = bench.records[0]?.bookmark ?? ''
    await bench.end()
    writeFileSync(`${log}.1`, 'one\ntwo\nthree\n')
    truncateSync(log, 0)
    appendFileSync(log, 'four\n')
    const after = new SourceBench()
    const runner = after.start('file', { path: log, every: '10ms' }, { bookmark })
    await until('the rest', () => after.records.length === 3)
    expect(after.texts).toEqual(['two', 'three', 'four'])
    expect(runner.status().trouble).toEqual({})
    await after.end()
  })

  test('put away and deleted while nothing ran: what was put away after it was left out, too', async () => {
    writeFileSync(`${log}.3`, 'long ago\n')
    utimesSync(`${log}.3`, 1_000, 1_000)
    writeFileSync(log, 'one\ntwo\n')
    start()
    await until('both', () => bench.records.length === 2)
    const bookmark = bench.records[0]?.bookmark ?? ''
    await bench.end()
    rmSync(log)
    const later = Date.now() / 1_000 + 10
    writeFileSync(`${log}.2`, 'three\n')
    writeFileSync(`${log}.1`, 'four\n')
    utimesSync(`${log}.2`, later, later)
    utimesSync(`${log}.1`, later + 1, later + 1)
    writeFileSync(log, 'five\n')
    const after = new SourceBench()
    const runner = after.start('file', { path: log, every: '10ms' }, { bookmark })
    await until('the rest', () => after.records.length >= 3)
    expect(after.texts).toEqual(['three', 'four', 'five'])
    expect(runner.status().trouble).toEqual({ 'the file was put away before it was read to its end': 1 })
    await after.end()
  })

  test('while there is no room it reads no further, and goes on without a loss', async () => {
    bench.full = true
    writeFileSync(log, 'one\n')
    const runner = start()
    await until('it is blocked', () => runner.status().state === 'blocked')
    appendFileSync(log, 'two\nthree\n')
    bench.roomAgain()
    await until('all', () => bench.records.length === 3)
    expect(bench.texts).toEqual(['one', 'two', 'three'])
  })
})

describe('a directory', () => {
  const start = (on: SourceBench, more: object = {}, how: object = {}) =>
    on.start('directory', { path: folder, match: '*.csv', every: '10ms', settled: '0', ...more }, how)

  test('each file is read once, its name beside each record; what is written later is another file', async () => {
    writeFileSync(join(folder, 'a.csv'), '1\n2\n')
    writeFileSync(join(folder, 'b.txt'), 'not this one\n')
    start(bench, { delimiter: '\\n' })
    await until('one file', () => bench.records.length === 2)
    writeFileSync(join(folder, 'c.csv'), '3')
    await until('another', () => bench.records.length === 3)
    expect(bench.records.map(({ text, headers }) => [text, headers['file']])).toEqual([
      ['1', 'a.csv'],
      ['2', 'a.csv'],
      ['3', 'c.csv'],
    ])
  })

  test('stopped in the middle of a file, it goes on there, and reads what is done no more', async () => {
    writeFileSync(join(folder, 'a.csv'), '1\n2\n')
    writeFileSync(join(folder, 'b.csv'), '3\n4\n5\n')
    utimesSync(join(folder, 'a.csv'), 1_000, 1_000)
    start(bench, { delimiter: '\\n' })
    await until('both', () => bench.records.length === 5)
    expect(bench.texts).toEqual(['1', '2', '3', '4', '5'])
    for (let stop = 0; stop < 5; stop++) {
      const after = new SourceBench()
      start(after, { delimiter: '\\n' }, { bookmark: bench.records[stop]?.bookmark })
      writeFileSync(join(folder, `new-${stop}.csv`), 'new\n')
      await until('the rest and the new one', () => after.texts.includes('new'))
      expect(after.texts.filter(text => text !== 'new')).toEqual(['1', '2', '3', '4', '5'].slice(stop + 1))
      await after.end()
      rmSync(join(folder, `new-${stop}.csv`))
    }
  })

  test.each(['12:256:99:1000', 'headrace-gw_x', ''])(
    'made of what was another kind of source, it begins anew (it noted %j): it was not started',
    async bookmark => {
      writeFileSync(join(folder, 'a.csv'), '1\n')
      start(bench, { delimiter: '\n' }, { bookmark })
      await until('a record', () => bench.texts.includes('1'))
    },
  )

  test('a file that cannot be opened keeps no other one from being read, and is said', async () => {
    // Not even root may read it.
    symlinkSync('/proc/sys/vm/drop_caches', join(folder, 'a.csv'))
    writeFileSync(join(folder, 'b.csv'), '1\n2\n')
    const runner = start(bench, { delimiter: '\\n' })
    await until('the other one', () => bench.records.length === 2)
    await until('it is said', () => /EACCES.*a\.csv/.test(runner.status().reason ?? ''))
    expect(runner.status().trouble['a file could not be opened']).toBeGreaterThan(0)
    rmSync(join(folder, 'a.csv'))
    await until('all is well', () => runner.status().state === 'reading')
  })

  test('what was read and not put away, because the process ended in between, is put away later and not read again', async () => {
    writeFileSync(join(folder, 'a.csv'), '1')
    start(bench)
    await until('a record', () => bench.records.length === 1)
    await bench.end()
    const after = new SourceBench()
    start(after, { afterwards: 'delete' }, { bookmark: bench.bookmark })
    await until('it is gone', () => !existsSync(join(folder, 'a.csv')))
    expect(after.records).toEqual([])
    await after.end()
  })

  test('a whole file is one record unless cut; it is moved once it is stored, not before', async () => {
    const away = join(folder, 'done')
    mkdirSync(away)
    const stored = Promise.withResolvers<void>()
    bench.stored = () => stored.promise
    writeFileSync(join(folder, 'a.csv'), 'x,y\n1,2\n')
    start(bench, { afterwards: 'move', move_to: away })
    await until('a record', () => bench.records.length === 1)
    expect(bench.texts).toEqual(['x,y\n1,2\n'])
    expect(readdirSync(away)).toEqual([])
    stored.resolve()
    await until('it was moved', () => readdirSync(away).length === 1)
    expect(readdirSync(folder)).toEqual(['done'])
  })

  test('the next files are read while one waits for the disk: each waited by itself', async () => {
    const stored = Promise.withResolvers<void>()
    bench.stored = () => stored.promise
    for (let n = 10; n < 260; n++) writeFileSync(join(folder, `${n}.csv`), `${n}`)
    const runner = start(bench, { afterwards: 'delete' })
    await until('as many as may wait', () => bench.records.length === 100)
    expect(readdirSync(folder)).toHaveLength(250)
    stored.resolve()
    await until('all are gone', () => readdirSync(folder).length === 0)
    expect(bench.records.map(({ text }) => Number(text)).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 250 }, (_, n) => n + 10),
    )
    expect(runner.status()).toMatchObject({ state: 'reading', trouble: {} })
  })

  test('a file of which a record was left out stays: it was deleted with what nobody had, and so was one that is longer than a record may be', async () => {
    const long = 'x'.repeat(200)
    writeFileSync(join(folder, 'a.csv'), `1\n${long}\n2\n3\n`)
    writeFileSync(join(folder, 'b.csv'), `${long}\n`)
    writeFileSync(join(folder, 'c.csv'), '4\n')
    for (const [at, name] of ['a.csv', 'b.csv', 'c.csv'].entries()) utimesSync(join(folder, name), 1_000 + at, 1_000 + at)
    const options = { delimiter: '\\n', max_bytes: '100B', afterwards: 'delete' }
    const runner = start(bench, options)
    await until('what is whole is gone', () => !existsSync(join(folder, 'c.csv')))
    expect(bench.texts).toEqual(['1', '2', '3', '4'])
    expect(readdirSync(folder).sort()).toEqual(['a.csv', 'b.csv'])
    expect(runner.status().trouble).toEqual({
      'a record was too long': 2,
      'a file of which a record was left out stays where it is': 2,
    })
    await bench.end()
    // Wherever it was stopped, it stays, and is not read again.
    for (const [stop, { bookmark }] of bench.records.entries()) {
      const after = new SourceBench()
      writeFileSync(join(folder, 'd.csv'), '5\n')
      start(after, options, { bookmark })
      await until('the new one is gone', () => !existsSync(join(folder, 'd.csv')))
      expect(after.texts).toEqual(['2', '3', '5'].slice(Math.min(2, stop)))
      expect(readdirSync(folder).sort()).toEqual(['a.csv', 'b.csv'])
      await after.end()
    }
  })

  test('moved to where one of its name lies already, both are kept: it was written over', async () => {
    const away = join(folder, 'done')
    mkdirSync(away)
    writeFileSync(join(away, 'a.csv'), 'of yesterday')
    writeFileSync(join(folder, 'a.csv'), 'of today')
    utimesSync(join(folder, 'a.csv'), 1_000, 1_000)
    start(bench, { afterwards: 'move', move_to: away })
    await until('it was moved', () => readdirSync(away).length === 2)
    expect(readFileSync(join(away, 'a.csv'), 'utf8')).toBe('of yesterday')
    expect(readFileSync(join(away, 'a.csv.1970-01-01T00:16:40.000Z'), 'utf8')).toBe('of today')
  })

  test('what came under its name before it was put away is read, and not put away with it: it was deleted unread', async () => {
    const stored = Promise.withResolvers<void>()
    bench.stored = () => stored.promise
    writeFileSync(join(folder, 'a.csv'), 'one')
    start(bench, { afterwards: 'delete' })
    await until('a record', () => bench.records.length === 1)
    writeFileSync(join(folder, '.new'), 'another')
    renameSync(join(folder, '.new'), join(folder, 'a.csv'))
    stored.resolve()
    await until('the other one', () => bench.records.length === 2)
    expect(bench.texts).toEqual(['one', 'another'])
    await until('it is gone', () => readdirSync(folder).length === 0)
  })
})
