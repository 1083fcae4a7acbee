import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const MODULE = new URL('../../src/cli/run-until-signal.ts', import.meta.url).href
const LOGGER = new URL('../../src/runtime/logger.ts', import.meta.url).href

/** A stop that never ends, while a thread of Node's pool opens a pipe that nobody writes to. */
const PROGRAM = `
import { open } from 'node:fs/promises'
import { runUntilSignal } from ${JSON.stringify(MODULE)}
import { silentLogger } from ${JSON.stringify(LOGGER)}
void open(process.argv[1], 'r')
setTimeout(() => process.stdout.write('ready'), 50)
await runUntilSignal(() => new Promise(() => process.stdout.write('stopping')), silentLogger)
`

test('a second signal ends at once, though a file system holds a thread: the process hung, and had said that it was given up', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-signal-'))
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM, pipe], { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    const said = async () => String((await once(child.stdout, 'data'))[0])
    expect(await said()).toBe('ready')
    const stopping = said()
    child.kill('SIGTERM')
    expect(await stopping).toBe('stopping')
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    expect(await ended).toEqual([null, 'SIGKILL'])
  } finally {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
})
