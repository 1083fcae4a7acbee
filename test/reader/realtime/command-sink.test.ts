import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { commandSink } from '../../../src/reader/realtime/alert-sink.ts'
import { until } from '../../support/until.ts'

const ALERT = { key: 'press-1:1:raised', analyser: 'too-hot', json: '{"state":"raised"}', timeMs: 1 }

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-command-sink-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const shell = (script: string, limitMs?: number) => commandSink(['sh', '-c', script], folder, limitMs)

/** A process that ended and that nobody has asked about is not alive. */
function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

test('a command has the alert on its standard input, and its key in its environment', async () => {
  await shell('cat > alert; echo "$HEADRACE_ALERT_KEY" > key').deliver(ALERT)
  expect(readFileSync(join(folder, 'alert'), 'utf8')).toBe(`${ALERT.json}\n`)
  expect(readFileSync(join(folder, 'key'), 'utf8')).toBe(`${ALERT.key}\n`)
})

test.each([
  ['exit 3', 'the alert command sh ended with exit code 3'],
  ['kill -TERM $$', 'the alert command sh was ended by SIGTERM'],
])('what became of "%s" is said', async (script, message) => {
  await expect(shell(script).deliver(ALERT)).rejects.toThrow(message)
})

test('a command that takes too long is ended with what it waits for: each try left one more of that', async () => {
  await expect(shell('sleep 1000 & echo $! > child; wait', 1_000).deliver(ALERT)).rejects.toThrow(
    'the alert command sh took longer than 1 s',
  )
  const child = Number(readFileSync(join(folder, 'child'), 'utf8'))
  try {
    await until('the child is gone', () => !isAlive(child), 5_000)
  } finally {
    if (isAlive(child)) process.kill(child, 'SIGKILL')
  }
})

test('a command that is let go of is ended with what it waits for', async () => {
  const sink = shell('sleep 1000 & echo $! > child.tmp; mv child.tmp child; wait')
  const delivered = sink.deliver(ALERT)
  delivered.catch(() => {})
  await until('the child runs', () => existsSync(join(folder, 'child')), 5_000)
  const child = Number(readFileSync(join(folder, 'child'), 'utf8'))
  try {
    sink.close()
    await expect(delivered).rejects.toThrow('the alert command sh was ended by SIGKILL')
    await until('the child is gone', () => !isAlive(child), 5_000)
  } finally {
    if (isAlive(child)) process.kill(child, 'SIGKILL')
  }
})
