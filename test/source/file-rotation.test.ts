import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/runtime/clock.ts'
import { SeededRandom } from '../support/random.ts'
import { until } from '../support/until.ts'
import { SourceBench } from './harness.ts'

let bench: SourceBench
let folder: string
let log: string
/** Waits that a source has begun: it begins one behind each look at which there was nothing more. */
let waits: number
beforeEach(() => {
  waits = 0
  bench = new SourceBench()
  bench.clock = {
    ...systemClock,
    after(delayMs, call, background) {
      waits += 1
      return systemClock.after(delayMs, call, background)
    },
  }
  folder = mkdtempSync(join(tmpdir(), 'headrace-rotation-'))
  log = join(folder, 'app.log')
})
afterEach(async () => {
  await bench.end()
  rmSync(folder, { recursive: true, force: true })
})

const start = (how: { bookmark?: string } = {}) => bench.start('file', { path: log, every: '10ms' }, how)

async function moreLooks(count: number): Promise<void> {
  const enough = waits + count
  await until(`${count} looks more`, () => waits >= enough)
}

/** What `logrotate` does with numbers: each name moves on by one, and `.1` is free. */
function makeRoom(): void {
  let last = 1
  while (endings(last).length > 0) last++
  for (let number = last - 1; number > 0; number--)
    for (const ending of endings(number)) renameSync(`${log}.${number}${ending}`, `${log}.${number + 1}${ending}`)
}

const endings = (number: number) => ['', '.gz'].filter(ending => existsSync(`${log}.${number}${ending}`))

/** As `gzip` leaves it, under the time of the last change; other programs keep whole seconds of it. */
function compress(path: string, keeps: 'all' | 'seconds' = 'all'): void {
  const seconds = statSync(path).mtimeMs / 1_000
  const kept = keeps === 'all' ? seconds : Math.floor(seconds)
  writeFileSync(`${path}.gz`, gzipSync(readFileSync(path)))
  utimesSync(`${path}.gz`, kept, kept)
  rmSync(path)
}

describe('more than once between two looks', () => {
  test('renamed twice: the file in between was never looked for', async () => {
    writeFileSync(log, 'one\n')
    const runner = start()
    await until('a line', () => bench.records.length === 1)
    appendFileSync(log, 'two\n')
    renameSync(log, `${log}.3`)
    writeFileSync(`${log}.2`, 'three\n')
    writeFileSync(`${log}.1`, 'four\n')
    writeFileSync(log, 'five\n')
    await until('all', () => bench.records.length >= 5)
    expect(bench.texts).toEqual(['one', 'two', 'three', 'four', 'five'])
    expect(runner.status().trouble).toEqual({})
  })

  test('copied and emptied twice: what only the second copy has was lost', async () => {
    writeFileSync(log, 'one\n')
    start()
    await until('a line', () => bench.records.length === 1)
    appendFileSync(log, 'two\n')
    copyFileSync(log, `${log}.2`)
    truncateSync(log)
    appendFileSync(log, 'three\n')
    copyFileSync(log, `${log}.1`)
    truncateSync(log)
    appendFileSync(log, 'four\n')
    await until('all', () => bench.records.length >= 4)
    expect(bench.texts).toEqual(['one', 'two', 'three', 'four'])
  })

  test('renamed and deleted, and renamed again: the one that still lies there is read', async () => {
    writeFileSync(log, 'one\n')
    const runner = start()
    await until('a line', () => bench.records.length === 1)
    await sleep(20)
    rmSync(log)
    writeFileSync(`${log}.1`, 'two\n')
    writeFileSync(log, 'three\n')
    await until('all', () => bench.records.length >= 3)
    expect(bench.texts).toEqual(['one', 'two', 'three'])
    expect(runner.status().trouble).toEqual({})
  })
})

test('put away while nothing ran, and none made yet: it was read again with each look', async () => {
  writeFileSync(log, 'one\ntwo\n')
  start()
  await until('both', () => bench.records.length === 2)
  const bookmark = bench.records[0]?.bookmark ?? ''
  await bench.end()
  renameSync(log, `${log}.1`)
  bench.records.length = 0
  start({ bookmark })
  await until('the rest', () => bench.records.length >= 1)
  await moreLooks(10)
  expect(bench.texts).toEqual(['two'])
  writeFileSync(log, 'three\n')
  await until('the new one', () => bench.records.length === 2)
  expect(bench.texts).toEqual(['two', 'three'])
})

test('a pipe is no file: it is said, and a stop ends; it hung for good', async () => {
  execFileSync('mkfifo', [log])
  const runner = start()
  await until('it is said', () => runner.status().reason?.includes('is no file: a device is read by "serial"'))
  await runner.stop()
  rmSync(log)
})

test.each(['app.log.err', 'app.log.1.tmp', 'app.logger', 'app-errors.log'])(
  '%s begins with the same name and is no rotation: it was read as if it were one',
  async other => {
    writeFileSync(log, 'one\n')
    start()
    await until('a line', () => bench.records.length === 1)
    await bench.end()
    renameSync(log, `${log}.1`)
    const later = Date.now() / 1_000 + 10
    writeFileSync(join(folder, other), 'not ours\n')
    utimesSync(join(folder, other), later, later)
    writeFileSync(log, 'two\n')
    start()
    await until('the new one', () => bench.texts.includes('two'))
    expect(bench.texts).toEqual(['one', 'two'])
  },
)

test.each([
  ['app.log.2', 'app.log.1'],
  ['app.log-20260101', 'app.log-20260102'],
  ['app.log.2026-01-01_12-00-00', 'app.log.2026-01-01_13-00-00'],
  ['app-2026-01-01.log', 'app-2026-01-02.log'],
  ['app.2.log', 'app.1.log'],
  ['app.log.old', 'app.log.1'],
])('as %s, and then %s, of the same moment', async (first, second) => {
  writeFileSync(log, 'one\n')
  start()
  await until('a line', () => bench.records.length === 1)
  appendFileSync(log, 'two\n')
  renameSync(log, join(folder, first))
  writeFileSync(join(folder, second), 'three\n')
  for (const name of [first, second]) utimesSync(join(folder, name), 4e9, 4e9)
  writeFileSync(log, 'four\n')
  await until('all', () => bench.records.length >= 4)
  expect(bench.texts).toEqual(['one', 'two', 'three', 'four'])
})

test('whoever writes has not opened the new file yet: what it still writes to the old one is read', async () => {
  writeFileSync(log, 'one\n')
  start()
  await until('a line', () => bench.records.length === 1)
  renameSync(log, `${log}.1`)
  writeFileSync(log, '')
  await moreLooks(10)
  appendFileSync(`${log}.1`, 'two\n')
  await until('what it still wrote', () => bench.records.length === 2)
  appendFileSync(log, 'three\n')
  await until('all', () => bench.records.length === 3)
  expect(bench.texts).toEqual(['one', 'two', 'three'])
})

describe('compressed', () => {
  test('while nothing ran: the rest of it was lost, and what was put away after it', async () => {
    writeFileSync(log, 'one\ntwo\nthree\n')
    start()
    await until('all', () => bench.records.length === 3)
    await bench.end()
    const marks = bench.records.map(({ bookmark }) => bookmark ?? '')
    renameSync(log, `${log}.3`)
    writeFileSync(`${log}.2`, 'four\nfive')
    utimesSync(`${log}.2`, Date.now() / 1_000 + 2, Date.now() / 1_000 + 2)
    writeFileSync(`${log}.1`, 'six\n')
    utimesSync(`${log}.1`, Date.now() / 1_000 + 4, Date.now() / 1_000 + 4)
    compress(`${log}.3`, 'seconds')
    compress(`${log}.2`, 'seconds')
    writeFileSync(log, 'seven\n')
    const all = ['one', 'two', 'three', 'four', 'five', 'six', 'seven']
    for (const [at, bookmark] of marks.entries()) {
      const after = new SourceBench()
      const runner = after.start('file', { path: log, every: '10ms' }, { bookmark })
      await until('the rest', () => after.texts.at(-1) === 'seven')
      expect(after.texts).toEqual(all.slice(at + 1))
      expect(runner.status().trouble).toEqual({})
      await after.end()
      // Stopped anywhere within: it goes on there.
      for (const [stop, record] of after.records.entries()) {
        const again = new SourceBench()
        again.start('file', { path: log, every: '10ms' }, { bookmark: record.bookmark ?? '' })
        if (record.text === 'seven') await sleep(50)
        else await until('what is left', () => again.texts.at(-1) === 'seven')
        expect(again.texts).toEqual(all.slice(at + 2 + stop))
        await again.end()
      }
    }
  })

  test('as soon as it was renamed, while it is followed: nothing is read twice', async () => {
    writeFileSync(log, 'one\n')
    const runner = start()
    for (let number = 0; number < 8; number++) {
      await until('a line', () => bench.records.length === number + 1)
      await sleep(number * 3)
      makeRoom()
      renameSync(log, `${log}.1`)
      writeFileSync(log, '')
      compress(`${log}.1`)
      appendFileSync(log, `more ${number}\n`)
    }
    await until('all', () => bench.records.length === 9)
    await sleep(50)
    expect(bench.texts).toEqual(['one', ...Array.from({ length: 8 }, (_, number) => `more ${number}`)])
    expect(runner.status().trouble).toEqual({})
  })

  test('and not whole yet: what it is made of is read, and nothing twice', async () => {
    writeFileSync(log, 'one\n')
    start()
    await until('a line', () => bench.records.length === 1)
    await bench.end()
    renameSync(log, `${log}.2`)
    writeFileSync(`${log}.1`, 'two\nthree\n')
    writeFileSync(`${log}.1.gz`, gzipSync('two\nthree\n').subarray(0, 15))
    writeFileSync(log, 'four\n')
    start()
    await until('all', () => bench.texts.at(-1) === 'four')
    expect(bench.texts).toEqual(['one', 'two', 'three', 'four'])
  })

  test('and damaged: what is there is read, the rest is said, and what follows goes on', async () => {
    writeFileSync(log, 'one\n')
    start()
    await until('a line', () => bench.records.length === 1)
    await bench.end()
    renameSync(log, `${log}.2`)
    const text = Array.from({ length: 20_000 }, (_, number) => `${number} ${Math.sin(number)}\n`).join('')
    writeFileSync(`${log}.1.gz`, gzipSync(text).subarray(0, 100_000))
    writeFileSync(log, 'the end\n')
    const runner = start()
    await until('the end', () => bench.texts.at(-1) === 'the end')
    expect(bench.records.length).toBeGreaterThan(5_000)
    expect(runner.status().trouble).toEqual({ 'a file that was put away could not be decompressed to its end': 1 })
  })
})

describe.each(['renamed', 'compressed', 'copied and emptied'] as const)('a storm of files that are %s', way => {
  test.each([1, 2, 3, 4])('with restarts, seed %i: each line once, in order', async seed => {
    const random = new SeededRandom(seed)
    writeFileSync(log, 'line 0 of app.log\n')
    let written = 1
    let runner = start()
    await until('a line', () => bench.records.length === 1)
    for (let step = 0; step < 150; step++) {
      const lines = Math.floor(random.next() * 4)
      for (let n = 0; n < lines; n++) appendFileSync(log, `line ${written++} of ${basename(log)}\n`)
      const what = random.next()
      if (what < 0.5) {
        makeRoom()
        if (way !== 'copied and emptied') {
          renameSync(log, `${log}.1`)
          writeFileSync(log, '')
          if (way === 'compressed' && existsSync(`${log}.2`)) compress(`${log}.2`)
        } else {
          copyFileSync(log, `${log}.1`)
          truncateSync(log)
        }
      } else if (what < 0.6) {
        await runner.stop()
        runner = start()
      } else await sleep(random.next() * 25)
      // Two writes of one tick of the kernel's clock cannot be told apart.
      await sleep(5)
    }
    appendFileSync(log, 'the end\n')
    await until('the end', () => bench.texts.at(-1) === 'the end')
    expect(bench.texts).toEqual([...Array.from({ length: written }, (_, n) => `line ${n} of app.log`), 'the end'])
  })
})
