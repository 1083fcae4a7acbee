import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import type { Run } from '../../src/reader/ledger.ts'
import { until } from '../support/until.ts'
import { BatchUp, type Outcome } from './batch-up.ts'
import { countTo, sequencesOf } from './up-process.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

let up: BatchUp
afterEach(() => up.end())

async function start(generator: string, files: readonly string[] = []): Promise<void> {
  up = new BatchUp(generator)
  for (const file of files) up.write(file)
  await up.start()
}

describe('while a command runs', () => {
  test('kill -9: after the restart the same run comes again, and the runs that are done hold every record once', async () => {
    await start('records_per_second: 2000, count: 2000', ['hold'])
    await up.settled(500)
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
    expect(before).toMatchObject({
      id: up.attempt(0).id,
      state: 'failed',
      error: expect.stringContaining('the core ended while it ran'),
    })
    expect((await up.offsets('load')).map(({ offset }) => offset)).toEqual([0, 0])

    await up.json('batch', 'run', 'load')
    expect(up.attempt(1).id).toBe(up.attempt(0).id)
    expect(up.attempt(1).ranges).toEqual(up.attempt(0).ranges)
    // What the first attempt had seen is the beginning of what the second was given.
    const seen = up.attempt(0).lines
    expect(up.attempt(1).lines.slice(0, seen.length)).toEqual(seen)

    const done = (await up.json<Run[]>('batch', 'runs', 'load')).filter(({ state }) => state === 'done').map(({ id }) => id)
    // Of the run that was cut off only the second attempt counts.
    const attempts = countTo(up.attemptsMade(), 1).map(number => up.attempt(number))
    const committed = attempts.filter(({ id }) => done.includes(id)).flatMap(({ lines }) => lines)
    expect(sequencesOf(committed)).toEqual({ a: countTo(2_000), b: countTo(2_000) })
  })

  test('a bar shows how far it is on a terminal, and goes when it has ended; elsewhere there is none', async () => {
    await start('records_per_second: 1000, count: 50', ['hold'])
    await up.drained(50)
    const log = join(up.folder, 'terminal')
    const words = [process.execPath, MAIN, 'batch', 'run', 'load', '--state', up.state]
    const terminal = spawn('script', ['-q', '-e', '-f', '-c', words.map(word => `'${word}'`).join(' '), log], { stdio: 'ignore' })
    const ended = new Promise<number | null>(resolve => terminal.once('exit', resolve))
    const shown = () => (up.exists('terminal') ? up.read('terminal').replaceAll('\u001b[K', '<cleared>') : '')
    await until('the bar is there', () => /\r\[#*\.*\] \d+ %, \d+ of 100 records, [\d,]+\/s<cleared>/.test(shown()))
    up.remove('hold')
    expect(await ended).toBe(0)
    expect(shown()).toMatch(/\r<cleared>run [0-9a-f]{16}: done, 100 records\r\n/)
    const again = await up.run('batch', 'run', 'load')
    expect(again).toEqual({ code: 0, stdout: 'Nothing new to read.\n', stderr: '' })
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
    expect((await up.json<Run[]>('batch', 'runs', 'load'))[0]).toMatchObject({ id: up.attempt(0).id, state: 'failed' })
    // It was ended: it did not live on until it was let go.
    expect(up.exists('out/0.ended')).toBe(false)
    expect(await up.json<Outcome>('batch', 'run', 'load')).toMatchObject({ outcome: 'done', run: { id: up.attempt(0).id } })
    expect(sequencesOf(up.attempt(1).lines)).toEqual({ a: countTo(50), b: countTo(50) })
  })
})
