import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Command, type CommandOptions } from '../../src/reader/batch/command.ts'
import { RunLog } from '../../src/reader/batch/run-log.ts'
import { until } from '../support/until.ts'

let folder: string
/** What a test started and has to end, whatever became of it. */
let started: number[]
let logs: RunLog[]
beforeEach(() => {
  logs = []
  folder = mkdtempSync(join(tmpdir(), 'headrace-command-'))
  started = []
})
afterEach(() => {
  for (const log of logs) log.close()
  for (const pid of started) if (isAlive(pid)) process.kill(pid, 'SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

function runLog(): RunLog {
  const log = new RunLog(join(folder, `log-${logs.length}`))
  logs.push(log)
  return log
}

function shell(script: string, options: Partial<CommandOptions> = {}): Command {
  return new Command({
    run: ['sh', '-c', script],
    cwd: folder,
    environment: {},
    timeLimitMs: 60_000,
    signal: new AbortController().signal,
    log: options.log ?? runLog(),
    ...options,
  })
}

const read = (name: string) => readFileSync(join(folder, name), 'utf8')

/** A process that ended and that nobody has asked about is not alive. */
function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

/** The process id that a script wrote. */
async function pidIn(name: string): Promise<number> {
  const pid = await until(`${name} is there`, () => {
    try {
      return Number(read(name).trim()) || undefined
    } catch {
      return undefined
    }
  })
  started.push(pid)
  return pid
}

test('a command reads its input in its folder, with its environment beside that of Headrace', async () => {
  const command = shell('cat > in; pwd > where; echo "$TARGET $PATH" > env', { environment: { TARGET: 'warehouse' } })
  command.stdin.write('one\n')
  command.stdin.end('two\n')
  expect(await command.ended).toEqual({ exitCode: 0, error: undefined })
  expect(read('in')).toBe('one\ntwo\n')
  expect(read('where').trim()).toBe(folder)
  expect(read('env').trim()).toBe(`warehouse ${process.env['PATH']}`)
})

test('arguments reach it as they are: no shell reads them', async () => {
  const command = shell('', { run: ['sh', '-c', 'printf "%s|" "$@" > args', 'sh', 'a b', '$HOME', '*', '; exit 3'] })
  expect(await command.ended).toEqual({ exitCode: 0, error: undefined })
  expect(read('args')).toBe('a b|$HOME|*|; exit 3|')
})

describe('how it ended is said', () => {
  // A command's complaints are passed on as they come.
  beforeEach(() => void vi.spyOn(process.stderr, 'write').mockReturnValue(true))
  afterEach(() => void vi.restoreAllMocks())

  test.each([
    ['an exit code', 'exit 7', 7, 'it ended with exit code 7'],
    ['its last words', 'echo first >&2; echo "no room" >&2; exit 2', 2, 'it ended with exit code 2; its last words: no room'],
    ['a signal', 'kill -KILL $$', null, 'it was ended by SIGKILL'],
    ['words on the way to a good end', 'echo careful >&2', 0, undefined],
  ])('%s', async (_what, script, exitCode, error) => {
    expect(await shell(script).ended).toEqual({ exitCode, error })
  })

  test.each([
    ['is not there', ['./none'], '', 'FOLDER/none is not there'],
    ['is in no folder of PATH', ['no-such-loader'], '', 'no program "no-such-loader" is in PATH'],
    ['may not be executed', ['./plain'], '', 'FOLDER/plain may not be executed (chmod +x)'],
    ['names an interpreter that is not there', ['./strange'], '', 'what the first line of FOLDER/strange names is not there'],
    ['has no working directory', ['true'], 'gone', 'its working directory FOLDER/gone is not there'],
  ])('a command that %s', async (_what, run, cwd, why) => {
    writeFileSync(join(folder, 'plain'), 'echo')
    writeFileSync(join(folder, 'strange'), '#!/bin/sh\r\necho\r\n', { mode: 0o755 })
    const error = `it could not be started: ${why.replace('FOLDER', folder)}`
    expect(await shell('', { run, cwd: join(folder, cwd) }).ended).toEqual({ exitCode: null, error })
  })

  test('what it says and complains of is in the log of its run, also where it ends well', async () => {
    const log = runLog()
    await shell('echo loaded; echo careful >&2', { log }).ended
    expect(readFileSync(log.path, 'utf8').split('\n').sort()).toEqual(['', 'careful', 'loaded'])
  })

  test('a log has a bound: beginning and end are kept, what lies between is counted, and the command is not held up', async () => {
    const path = join(folder, 'bounded')
    const lengthMax = 16 * 2 ** 20
    const SAID = 'echo begun; head -c 20000000 /dev/zero; echo; echo "no room"'
    const said = 'begun\n'.length + 20_000_000 + '\nno room\n'.length
    const leftOut = (attempts: number) => attempts * said - lengthMax
    for (const attempts of [1, 2]) {
      const log = new RunLog(path)
      expect(await shell(SAID, { log }).ended).toEqual({ exitCode: 0, error: undefined })
      log.close()
      const text = readFileSync(path, 'latin1')
      expect(text.length).toBeLessThan(lengthMax + 100)
      expect(text.slice(0, 6)).toBe('begun\n')
      expect(text.slice(15 * 2 ** 20).replaceAll('\0', '')).toBe(
        `\n--- ${leftOut(attempts)} bytes are left out here\n\nno room\n`,
      )
    }
    const log = new RunLog(path)
    log.note('attempt 3')
    log.close()
    expect(readFileSync(path, 'latin1').endsWith('\nno room\n--- attempt 3\n')).toBe(true)
  })

  test('a log that was never closed, as kill -9 leaves it, has its end on the disk: it was in memory alone, and gone', async () => {
    const path = join(folder, 'killed')
    let log = new RunLog(path)
    try {
      for (let at = 0; at < 45; at++) {
        log.output(Buffer.alloc(999_983, 'x'))
        log.note(`part ${at}`)
        expect(readFileSync(path).subarray(-9).toString()).toContain(`part ${at}\n`)
        expect(statSync(path).size).toBeLessThanOrEqual(17 * 2 ** 20)
        if (at !== 30) continue
        logs.push(log)
        log = new RunLog(path)
      }
    } finally {
      log.close()
    }
    const said = 45 * 999_983 + 10 * '--- part 0\n'.length + 35 * '--- part 10\n'.length
    expect(readFileSync(path, 'latin1').slice(15 * 2 ** 20, 15 * 2 ** 20 + 50)).toContain(
      `--- ${said - 16 * 2 ** 20} bytes are left out`,
    )
  })

  test('of long complaints the last line is kept, at most 4 KiB of it', async () => {
    const { error } = await shell('head -c 5000 /dev/zero | tr "\\0" x >&2; exit 1').ended
    expect(error).toBe(`it ended with exit code 1; its last words: ${'x'.repeat(4_096)}`)
  })
})

describe('a command that is ended', () => {
  const WITH_CHILD = 'sleep 1000 & echo $! > child; wait'

  test('at its time limit takes its children along', async () => {
    const command = shell(WITH_CHILD, { timeLimitMs: 1_000 })
    const child = await pidIn('child')
    expect(isAlive(child)).toBe(true)
    expect(await command.ended).toMatchObject({ error: 'it ran longer than its time limit of 1 s' })
    await until('the child is gone', () => !isAlive(child), 10_000)
  })

  test('because Headrace stops takes its children along', async () => {
    const stopping = new AbortController()
    const command = shell(WITH_CHILD, { signal: stopping.signal })
    const child = await pidIn('child')
    stopping.abort()
    expect(await command.ended).toMatchObject({ error: 'it was interrupted: Headrace is stopping' })
    await until('the child is gone', () => !isAlive(child), 10_000)
  })

  test('is not waited for for ever where what it started has left its group and holds its output open', async () => {
    const command = shell('setsid sleep 1000 & echo $! > child; sleep 0.2; exit 0', { timeLimitMs: 500 })
    const child = await pidIn('child')
    const { error } = await command.ended
    expect(error).toBe('it ended with exit code 0, but what it started held its output open until the time limit of 0.5 s')
    expect(isAlive(child)).toBe(true)
  })

  test('before it has begun does not run on', async () => {
    const command = shell('sleep 1000', { signal: AbortSignal.abort() })
    expect(await command.ended).toMatchObject({ error: 'it was interrupted: Headrace is stopping' })
  })

  test('and exits 0 in answer has failed all the same: it did not get to its end', async () => {
    const stopping = new AbortController()
    const command = shell('trap "exit 0" TERM; echo $$ > self; while :; do sleep 0.05; done', { signal: stopping.signal })
    await pidIn('self')
    stopping.abort()
    const { exitCode, error } = await command.ended
    expect(exitCode).toBe(0)
    expect(error).toMatch(/^it was interrupted: Headrace is stopping/)
  })

  test('and does not want to, is made to', async () => {
    const command = shell('trap "" TERM; echo $$ > self; while :; do sleep 0.05; done')
    const self = await pidIn('self')
    command.abort()
    expect(await command.ended).toEqual({ exitCode: null, error: 'it was ended by SIGKILL' })
    expect(isAlive(self)).toBe(false)
  })

  test('takes along a child that does not want to, even where it ends at once itself', async () => {
    const command = shell(`(trap "" TERM; exec sleep 1000 < /dev/null > /dev/null 2>&1) & echo $! > child; wait`)
    const child = await pidIn('child')
    // The trap has to be set before the signal comes: `exec` shows that it is.
    await until('the child sleeps', () => readFileSync(`/proc/${child}/cmdline`, 'utf8').startsWith('sleep'))
    command.abort()
    await command.ended
    await until('the child is gone', () => !isAlive(child), 8_000)
  })
})

test('a disk that is full takes no log, and neither the command nor the process ends for it', async () => {
  const log = new RunLog('/dev/full')
  log.note('attempt 1')
  expect(await shell('echo said; echo said >&2; exit 3', { log }).ended).toMatchObject({
    exitCode: 3,
    error: 'it ended with exit code 3; its last words: said',
  })
  log.close()
})
