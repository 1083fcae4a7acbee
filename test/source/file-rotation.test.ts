import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { SeededRandom } from '../support/random.ts'
import { until } from '../support/until.ts'
import { SourceBench } from './harness.ts'

let bench: SourceBench
let folder: string
let log: string
beforeEach(() => {
  bench = new SourceBench()
  folder = mkdtempSync(join(tmpdir(), 'headrace-rotation-'))
  log = join(folder, 'app.log')
})
afterEach(async () => {
  await bench.end()
  rmSync(folder, { recursive: true, force: true })
})

const start = (how: { bookmark?: string } = {}) => bench.start('file', { path: log, every: '10ms' }, how)

/** What `logrotate` does with numbers: each name moves on by one, and `.1` is free. */
function makeRoom(): void {
  let last = 1
  while (existsSync(`${log}.${last}`)) last++
  for (let number = last; number > 1; number--) renameSync(`${log}.${number - 1}`, `${log}.${number}`)
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
  await sleep(100)
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
  await sleep(100)
  appendFileSync(`${log}.1`, 'two\n')
  await until('what it still wrote', () => bench.records.length === 2)
  appendFileSync(log, 'three\n')
  await until('all', () => bench.records.length === 3)
  expect(bench.texts).toEqual(['one', 'two', 'three'])
})

describe.each(['renamed', 'copied and emptied'] as const)('a storm of files that are %s', way => {
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
        if (way === 'renamed') {
          renameSync(log, `${log}.1`)
          writeFileSync(log, '')
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
