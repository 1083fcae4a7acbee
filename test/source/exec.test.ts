import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { keepProcess } from '../../src/runtime/orphan.ts'
import { until } from '../support/until.ts'
import { SourceBench } from './harness.ts'

let bench: SourceBench
let folder: string
beforeEach(() => {
  bench = new SourceBench()
  folder = mkdtempSync(join(tmpdir(), 'headrace-exec-'))
})
afterEach(async () => {
  await bench.end()
  rmSync(folder, { recursive: true, force: true })
})

describe('a command', () => {
  const node = (code: string) => [process.execPath, '-e', code]

  test('once: its lines, the last one without an end too', async () => {
    const runner = bench.start('exec', { command: ['printf', 'one\\ntwo'], run: 'once' })
    await until('it has ended', () => runner.status().state === 'stopped')
    expect(bench.texts).toEqual(['one', 'two'])
  })

  test('for ever: it is started again, and its failure is said in its own words', async () => {
    const runner = bench.start('exec', { command: node("console.log('hello'); console.error('no disk'); process.exit(3)") })
    await until('twice', () => bench.records.length >= 2)
    const { reason } = await until('it waits', () => runner.status().state === 'waiting' && runner.status())
    expect(reason).toContain('ended with 3: no disk')
    expect(runner.status().trouble['the command failed']).toBeGreaterThan(0)
  })

  test('one that outlived an agent that was killed is ended before the next one begins: two of them wanted one device', async () => {
    const old = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' })
    const ended = once(old, 'exit')
    const processFile = join(folder, 'exec.process')
    keepProcess(processFile, old.pid ?? 0)
    const runner = bench.start('exec', { command: ['printf', 'one\\n'], run: 'once' }, { processFile })
    await until('it has ended', () => runner.status().state === 'stopped')
    expect(await ended).toEqual([null, 'SIGKILL'])
    expect(bench.texts).toEqual(['one'])
    expect(runner.status().trouble).toEqual({ 'a command had outlived its agent, and was ended': 1 })
    expect(existsSync(processFile)).toBe(false)
  })

  test('while it runs it is kept which process it is; not of one that is started at intervals', async () => {
    const processFile = join(folder, 'exec.process')
    const runner = bench.start('exec', { command: ['sh', '-c', 'echo $$; exec sleep 1000'] }, { processFile })
    await until('its number', () => bench.records.length === 1)
    expect(JSON.parse(readFileSync(processFile, 'utf8'))).toMatchObject({ pid: Number(bench.texts[0]) })
    await runner.stop()
    expect(existsSync(processFile)).toBe(false)
    bench.start('exec', { command: ['sh', '-c', 'echo two; exec sleep 1000'], every: '1s' }, { processFile })
    await until('the other', () => bench.records.length === 2)
    expect(existsSync(processFile)).toBe(false)
  })

  test('a program that is not there is said', async () => {
    const runner = bench.start('exec', { command: ['headrace-no-such-program'] })
    const waiting = await until('it waits', () => runner.status().state === 'waiting' && runner.status())
    expect(waiting.reason).toContain('no program "headrace-no-such-program" is in PATH')
  })

  test('while there is no room it is held back, and nothing of what it writes is lost', async () => {
    bench.full = true
    const runner = bench.start('exec', { command: ['seq', '1', '200000'], run: 'once' })
    await until('it is blocked', () => runner.status().state === 'blocked')
    bench.roomAgain()
    await until('it has ended', () => runner.status().state === 'stopped')
    expect(bench.records).toHaveLength(200_000)
    expect(bench.texts.at(-1)).toBe('200000')
  })

  test('a stop does not wait for ever where what the command started has left its group and holds its output open', async () => {
    const runner = bench.start('exec', { command: ['sh', '-c', 'setsid sleep 1000 & echo $!; exec sleep 1000'] })
    await until('its number', () => bench.records.length === 1)
    const left = Number(bench.texts[0])
    let isStopped = false
    const stopped = runner.stop().then(() => {
      isStopped = true
    })
    try {
      await until('it has stopped', () => isStopped)
    } finally {
      process.kill(left, 'SIGKILL')
      await stopped
    }
  })

  test('a stop ends the command and its children', async () => {
    const runner = bench.start('exec', { command: ['sh', '-c', 'sleep 1000 & echo $!; wait'] })
    await until('its child', () => bench.records.length === 1)
    const child = Number(bench.texts[0])
    process.kill(child, 0)
    await runner.stop()
    await until('the child is gone', () => {
      try {
        process.kill(child, 0)
        return false
      } catch {
        return true
      }
    })
  })
})
