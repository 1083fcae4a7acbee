import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

const MODULE = new URL('../../scripts/one-at-a-time.mjs', import.meta.url).href
const PROCESSES = 4
const WAIT_LIMIT_MS = 10_000

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-lock-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Writes that it came, waits for a moment, and writes that it left. */
const comeAndLeave = (log: string) => `
    appendFileSync('${log}', 'in\\n')
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50)
    appendFileSync('${log}', 'out\\n')`

/** Leaves when another has come: on a busy machine they would seldom be there at once by themselves. */
const unlocked = (log: string) => `
  const { appendFileSync, readFileSync } = await import('node:fs')
  appendFileSync('${log}', 'in\\n')
  const untilMs = performance.now() + ${WAIT_LIMIT_MS}
  while (readFileSync('${log}', 'utf8').split('in').length < 3 && performance.now() < untilMs)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
  appendFileSync('${log}', 'out\\n')`

const locked = (log: string, lock: string) => `
  const { appendFileSync } = await import('node:fs')
  const { oneAtATime } = await import('${MODULE}')
  oneAtATime('${lock}', () => { ${comeAndLeave(log)} })`

function run(code: string): Promise<number | null> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'ignore', 'inherit'] })
  return new Promise(resolve => child.on('exit', resolve))
}

async function together(code: string): Promise<(number | null)[]> {
  return await Promise.all(Array.from({ length: PROCESSES }, () => run(code)))
}

test('processes with the same lock file work one after another', async () => {
  const [log, lock] = [join(folder, 'log'), join(folder, 'lock')]
  expect(await together(locked(log, lock))).toEqual(Array.from({ length: PROCESSES }, () => 0))
  expect(readFileSync(log, 'utf8')).toBe('in\nout\n'.repeat(PROCESSES))
})

test('without it they do not: the check above can fail', async () => {
  const log = join(folder, 'log-without')
  await together(unlocked(log))
  expect(readFileSync(log, 'utf8')).not.toBe('in\nout\n'.repeat(PROCESSES))
})

test('a lock whose process is gone is taken over', async () => {
  const [log, lock] = [join(folder, 'log-stale'), join(folder, 'lock-stale')]
  const child = spawn(process.execPath, ['-e', ''], { stdio: 'ignore' })
  await new Promise(resolve => child.on('exit', resolve))
  writeFileSync(lock, String(child.pid))
  expect(await run(locked(log, lock))).toBe(0)
  expect(readFileSync(log, 'utf8')).toBe('in\nout\n')
})
