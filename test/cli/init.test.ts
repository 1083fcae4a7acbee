import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Pty } from '../../hardware/simulators/pty.ts'
import { HeadraceProcess, headrace, statusOf } from '../support/headrace-process.ts'
import { until } from '../support/until.ts'
import type { UpStatus } from './up-process.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const GGA = '$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n'

let folder: string
const ends: (() => unknown)[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-init-'))
})
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
  rmSync(folder, { recursive: true, force: true })
})

/** A device that speaks by itself, on a real pseudo terminal. */
async function speakingPort(): Promise<string> {
  const pty = await Pty.open(join(folder, 'port'))
  const timer = setInterval(() => pty.write(Buffer.from(GGA)), 50)
  ends.push(() => {
    clearInterval(timer)
    return pty.close()
  })
  return join(folder, 'port')
}

/** `headrace` on a terminal of its own, as a person has it: answers are typed when their question is there. */
function onTerminal(args: readonly string[], answers: readonly (readonly [question: RegExp, answer: string])[]): Promise<string> {
  const command = [process.execPath, MAIN, ...args].map(part => `'${part}'`).join(' ')
  const child: ChildProcess = spawn('script', ['-q', '-f', '-e', '-c', command, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  ends.push(() => child.kill('SIGKILL'))
  let said = ''
  let from = 0
  const left = [...answers]
  child.stdout?.on('data', (bytes: Buffer) => {
    said += bytes.toString('utf8')
    const [next] = left
    if (!next?.[0].test(said.slice(from))) return
    from = said.length
    left.shift()
    child.stdin?.write(`${next[1]}\n`)
  })
  return new Promise((resolve, reject) =>
    child.once('close', code => (code === 0 && left.length === 0 ? resolve(said) : reject(new Error(`${code}: ${said}`)))),
  )
}

test('asks, listens, and writes a pipeline that runs', async () => {
  const port = await speakingPort()
  const said = await onTerminal(
    ['init', folder, '--listen', '300ms'],
    [
      [/Name of this gateway \[.+\]: /, 'Plant A!'],
      [/It [^\n]+\r?\n/, 'plant-a-1'],
      [/Address of the core.*\[none\]: /s, ''],
      [/Name of the first pipeline \[first\]: /, 'vessel'],
      [/Serial port to listen on.*\[none\]: /s, port],
    ],
  )
  const file = join(folder, 'pipelines', 'vessel.yaml')
  expect(said).toContain(`Next: headrace up ${file} --gateway plant-a-1`)
  expect(readFileSync(file, 'utf8')).toContain('decode: nmea')
  expect(await headrace(['validate', file])).toMatchObject({ code: 0 })
  const state = join(folder, 'state')
  const up = new HeadraceProcess({
    name: 'up',
    args: ['up', file, '--gateway', 'plant-a-1', '--state', state],
    logPath: join(folder, 'log'),
  })
  ends.push(() => up.end())
  up.start()
  const status = await until('a reading is in the log', async () => {
    const now = await statusOf<UpStatus>(['--state', state])
    return now?.edge?.sources.some(({ settled }) => settled > 0) && now
  })
  expect(status.edge.sources[0]).toMatchObject({ pipeline: 'vessel', decode_errors: 0 })
})

test('asks nothing where all is said, and writes an edge.yaml that is right', async () => {
  const args = ['--gateway', 'plant-a-1', '--core', 'amqps://core.example:5671', '--hardware', 'raspberry-pi-rs485']
  const { code, stdout } = await headrace(['init', folder, ...args, '--port', 'none', '--yes'])
  expect(code).toBe(0)
  expect(stdout).toContain(`Next: headrace edge --config ${join(folder, 'edge.yaml')}`)
  const checked = await headrace(['validate', join(folder, 'edge.yaml')])
  expect(checked).toMatchObject({ code: 0, stdout: expect.stringContaining('durability 1s') })
  // Nothing is written over.
  const again = await headrace(['init', folder, ...args, '--port', 'none', '--yes'])
  expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining('is there already') })
})

test.each([
  [['--core', 'core.example'], /Write amqp:\/\/host:port/],
  // Without a core it was dropped without a word, whatever it was.
  [['--hardware', 'raspberry-pi-rs485'], /--hardware raspberry-pi-rs485 goes into edge.yaml/],
  [['--core', 'amqp://c:5672', '--hardware', 'toaster'], /Known are .*raspberry-pi-rs485/],
  [['--gateway', 'Plant A'], /It /],
])('%j is refused with what to write', async (args, advice) => {
  writeFileSync(join(folder, 'nothing'), '')
  const { code, stderr } = await headrace(['init', folder, '--yes', '--port', 'none', ...args])
  expect(code).toBe(2)
  expect(stderr).toMatch(advice)
})

test('a password in the address of the core is refused before it is in a file', async () => {
  const { code, stderr } = await headrace(['init', folder, '--yes', '--core', 'amqp://me:hush@core:5672'])
  expect(stderr).toContain('has a name or password in it')
  expect(code).toBe(2)
  expect(readdirSync(folder)).toEqual([])
})

test('a folder where no folder can be made is said, and not tried for ever', async () => {
  const { code, stderr } = await headrace(['init', '/proc/headrace', '--yes'])
  expect(stderr).toContain("mkdir '/proc/headrace'")
  expect(code).toBe(1)
})

test('a port that cannot be opened gives a pipeline that runs all the same, and says so', async () => {
  const { code, stdout } = await headrace(['init', folder, '--yes', '--port', join(folder, 'no-port'), '--listen', '100ms'])
  expect(code).toBe(0)
  expect(stdout).toMatch(/no-port could not be listened to: .*\. A generator stands in\./)
  expect(stdout).not.toContain('Error:')
  const text = readFileSync(join(folder, 'pipelines', 'first.yaml'), 'utf8')
  expect(text).toMatch(/no-port could not be listened to/)
  expect(await headrace(['validate', join(folder, 'pipelines', 'first.yaml')])).toMatchObject({ code: 0 })
})

test('a port that is not there is asked for again', async () => {
  const missing = join(folder, 'nothing-here')
  const said = await onTerminal(
    ['init', folder, '--gateway', 'g', '--core', 'none', '--pipeline', 'first'],
    [
      [/Serial port to listen on.*\[none\]: /s, missing],
      [/There is no \S+nothing-here here.*\[none\]: /s, 'none'],
    ],
  )
  expect(said).toContain('Written: ')
})
