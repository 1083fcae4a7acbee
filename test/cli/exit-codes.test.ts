import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { headrace } from '../support/headrace-process.ts'

const STACK = /^\s+at .+:\d+:\d+/m

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-exit-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function write(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const run = (...args: string[]) => headrace(args, { cwd: folder })

const PIPELINE = 'pipeline: plant\nsources: { a: { generator: {} } }\nbatch: { load: { run: [cat] } }\n'
const EDGE = 'gateway: g\nstate: state\nuplink: { url: "amqp://127.0.0.1:5672" }\npipelines: [p.yaml]\n'
const CORE = 'state: state\nlog: { sqlite: {} }\npipelines: [p.yaml]\n'

test.each([
  ['/none', 'headrace: No such file or directory, cannot open /none'],
  ['/dev/null', 'headrace: /dev/null is no serial port'],
])('1: devices probe %s said "Error: Error:" before the words of the system', async (port, said) => {
  const { code, stderr } = await run('devices', 'probe', port)
  expect(stderr).toBe(`${said}\nSee "headrace devices" for the ports of this machine.\n`)
  expect(code).toBe(1)
})

test('2: a seed that is no number, which would be another one each time', async () => {
  write('p.yaml', PIPELINE)
  const { code, stderr } = await run('doctor', '--torture', '--config', 'p.yaml', '--seed', 'abc')
  expect(stderr).toContain("'abc' is invalid. Write a whole number.")
  expect(code).toBe(2)
})

describe('plan', () => {
  test('0: what else lies beside pipelines is left out', async () => {
    write('p.yaml', PIPELINE)
    write('p.test.yaml', 'tests: {}\n')
    expect(await run('plan', 'p.yaml', 'p.test.yaml')).toMatchObject({ code: 0, stdout: expect.stringContaining('It fits.') })
  })
  test('2: nothing but a file of tests, of which it was said that it fits', async () => {
    write('p.test.yaml', 'tests: {}\n')
    const { code, stderr, stdout } = await run('plan', 'p.test.yaml')
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain('p.test.yaml is a file of tests, and no pipeline is named')
  })
})

describe('validate', () => {
  test('0: a pipeline, edge.yaml and core.yaml together', async () => {
    write('p.yaml', PIPELINE)
    write('edge.yaml', EDGE)
    write('core.yaml', CORE)
    const result = await run('validate', 'p.yaml', 'edge.yaml', 'core.yaml')
    const forecast = 'edge.yaml: about 4.23 GB a day written to the disk (10 records a second, durability 50ms)\n'
    expect(result).toEqual({ code: 0, stdout: `${forecast}3 files checked, nothing wrong\n`, stderr: '' })
    // Checked, and nothing else: no state directory is made for it.
    expect(readdirSync(folder).sort()).toEqual(['core.yaml', 'edge.yaml', 'p.yaml'])
  })

  test('2: all mistakes of all files, and nothing else, on standard error', async () => {
    write('p.yaml', 'pipeline: plant\nsuorces: {}\ntopic: "a b"\n')
    write('edge.yaml', EDGE.replace('amqp:', 'mqtt:'))
    write('core.yaml', CORE.replace('sqlite', 'sqlit'))
    const result = await run('validate', 'p.yaml', 'edge.yaml', 'core.yaml')
    expect(result).toMatchObject({ code: 2, stdout: '' })
    expect(result.stderr.trimEnd().split('\n')).toEqual([
      'core.yaml:2:6: log needs either `kafka` or `sqlite`',
      'core.yaml:2:8: unknown key "sqlit" in log; did you mean "sqlite"?',
      'edge.yaml:3:16: url is not an AMQP address: write amqp://host:port or amqps://host:port',
      'p.yaml:2:1: unknown key "suorces"; did you mean "sources"?',
      'p.yaml:3:8: topic is no topic: letters, digits, . _ and -',
    ])
  })

  test('2: pipelines that clash with each other', async () => {
    const one = write('one.yaml', PIPELINE)
    const two = write('two.yaml', PIPELINE.replace('pipeline: plant', 'pipeline: other'))
    const result = await run('validate', one, two)
    expect(result.code).toBe(2)
    expect(result.stderr).toContain(`${two}:2:12: a source "a" is in ${one} already`)
  })

  test('2: a folder in the place of a file', async () => {
    mkdirSync(join(folder, 'pipelines'))
    const result = await run('validate', 'pipelines')
    expect(result.code).toBe(2)
    expect(result.stderr).toMatch(/^pipelines:1:1: cannot be read: it is a folder/)
  })

  test.each(['pipeline', 'edge', 'core'])('0: --schema %s is a JSON Schema of strict objects', async kind => {
    const { code, stdout } = await run('validate', '--schema', kind)
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ type: 'object', additionalProperties: false })
  })
})

describe('what the user typed is wrong: 2, and what is meant is said', () => {
  test.each([
    [['statsu'], "unknown command 'statsu'\n(Did you mean status?)"],
    [['status', '--jsno'], '(Did you mean --json?)'],
    [['validate', '--schema', 'pipelines'], 'Allowed choices are pipeline, edge, core.'],
    [['up', 'p.yaml', '--log-level', 'loud'], 'Allowed choices are debug, info, warn, error, silent.'],
    [['batch', 'run'], "missing required argument 'job'"],
    [['batch', 'run', 'load', 'again'], 'too many arguments'],
    [['batch', 'reset', 'load'], 'reset needs either --to or --to-time'],
    [['batch', 'reset', 'load', '--to-time', 'soon'], 'Write a time such as 2026-01-31'],
    [['batch', 'adopt', 'load'], 'adopt needs either --group or --file'],
    [['batch', 'backfill', 'load', '--from', '0'], "required option '--to <bound>' not specified"],
    [['batch', 'backfill', 'load', '--from', '2026-02-01', '--to', '2026-01-01'], '--from has to lie before --to'],
    [['core'], "required option '--config <file>' not specified"],
    [['status', '--config', 'none.yaml'], 'none.yaml:1:1: cannot be read: there is no such file'],
    [['status', '--config', 'p.yaml'], 'p.yaml:1:1: "state" is missing'],
    [['up', 'none.yaml'], 'none.yaml:1:1: cannot be read'],
    [['plan', 'p.yaml=many'], '"many" in p.yaml=many is no number of gateways'],
    [['health', '--role', 'gateway'], 'Allowed choices are edge, core.'],
    [['health', '--like', 'p.yaml'], 'p.yaml was not written by "headrace health --save"'],
    [['up', 'p.yaml', 'p.yaml'], 'pipeline "plant" is in p.yaml already'],
    [['console', 'add-user', 'Anna B', '--users', 'users.json'], 'Lower-case letters, digits'],
    [['console', 'add-user', 'anna'], "required option '--users <file>' not specified"],
    [['health', '--like', 'none.json'], '--like none.json cannot be read: there is no such file'],
    [['batch', 'adopt', 'load', '--file', 'none.csv'], '--file none.csv cannot be read: there is no such file'],
    [['enroll', '--state', 's', '--token-file', 'none'], '--token-file none cannot be read: there is no such file'],
    [['where', 'a', 'soon'], 'Write a whole number, or a time such as 2026-01-31'],
  ])('%j', async (args, said) => {
    write('p.yaml', PIPELINE)
    const result = await run(...args)
    expect(result).toMatchObject({ code: 2, stdout: '' })
    expect(result.stderr).toContain(said)
    expect(result.stderr).not.toMatch(STACK)
    expect(readdirSync(folder)).toEqual(['p.yaml'])
  })

  test.each([[[]], [['batch']], [['dead']], [['source']]])('%j: the usage', async args => {
    const result = await run(...args)
    expect(result).toMatchObject({ code: 2, stdout: '' })
    expect(result.stderr).toMatch(/^Usage: headrace/)
  })
})

describe('nothing is running', () => {
  test.each([
    [['batch', 'list'], 'core'],
    [['batch', 'run', 'load'], 'core'],
    [['batch', 'runs', 'load'], 'core'],
    [['batch', 'offsets', 'load'], 'core'],
    [['batch', 'reset', 'load', '--to', 'end'], 'core'],
    [['tail', 'a'], 'core'],
    [['dead', 'list'], 'core'],
    [['dead', 'retry', 'g/a@0'], 'core'],
    [['source', 'list'], 'edge or core'],
    [['source', 'retire', 'a'], 'edge or core'],
    [['source', 'resume', 'a'], 'edge'],
  ])('%j: 1, and where it was looked for', async (args, role) => {
    const result = await run(...args)
    expect(result).toEqual({
      code: 1,
      stdout: '',
      stderr: `headrace: no ${role} is running with its state in ./.headrace\nName its configuration with --config, or its directory with --state.\n`,
    })
  })

  test('a socket that outlived its process is nothing running', async () => {
    const core = join(folder, '.headrace', 'core')
    mkdirSync(core, { recursive: true })
    // A name in the file system that nobody listens behind any more.
    const server = createServer()
    await new Promise<void>(resolve => server.listen(join(core, 'old.sock'), resolve))
    renameSync(join(core, 'old.sock'), join(core, 'control.sock'))
    await new Promise(resolve => server.close(resolve))

    expect(await run('status', '--json')).toMatchObject({ code: 0, stdout: '{\n  "running": false\n}\n' })
    const list = await run('batch', 'list')
    expect(list).toMatchObject({ code: 1, stdout: '' })
    expect(list.stderr).toMatch(/^headrace: /)
    expect(list.stderr).not.toMatch(STACK)
  })
})

describe('help', () => {
  test.each(['up', 'edge', 'core', 'validate', 'status', 'tail'])('%s --help has an example', async command => {
    const result = await run(command, '--help')
    expect(result).toMatchObject({ code: 0, stderr: '' })
    expect(result.stdout).toMatch(new RegExp(`Examples?:\n  headrace ${command}\\b`))
  })

  test('headrace --help names every command', async () => {
    const { code, stdout } = await run('--help')
    expect(code).toBe(0)
    for (const command of ['up', 'edge', 'core', 'validate', 'status', 'source', 'batch', 'tail']) {
      expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'))
    }
  })
})

describe('said so that somebody can act on it', () => {
  test('a gateway with a wrong name is the input of the user, not a stack', async () => {
    const result = await run('up', write('p.yaml', PIPELINE), '--gateway', 'Plant A')
    expect(result.code).toBe(2)
    expect(result.stderr).not.toMatch(STACK)
  })

  test('a file in the place of the state directory is said without a stack', async () => {
    write('state', '')
    const result = await run('up', write('p.yaml', PIPELINE), '--state', 'state')
    expect(result.code).not.toBe(0)
    expect(result.stderr).not.toMatch(STACK)
  })

  test.each([
    ['/dev/full', 1, 'standard output cannot be written: there is no room left'],
    ['/dev/null', 0, ''],
  ])('what it prints goes to %s: it was lost, and it had gone well', (device, code, said) => {
    const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
    const command = 'exec "$0" "$1" validate "$2" > "$3"'
    const args = ['-c', command, process.execPath, main, write('p.yaml', PIPELINE), device]
    expect(spawnSync('sh', args, { encoding: 'utf8' })).toMatchObject({ status: code, stderr: expect.stringContaining(said) })
  })

  test('a certificate that is not there is named, without a stack', async () => {
    write('p.yaml', PIPELINE)
    const edge = EDGE.replace('{ url: "amqp://127.0.0.1:5672" }', '{ url: "amqps://127.0.0.1:1", tls: { ca: none.pem } }')
    const result = await headrace(['edge', '--config', write('edge.yaml', edge)], { cwd: folder, limitMs: 10_000 })
    expect(result.stderr).toContain('none.pem')
    expect(result.stderr).not.toMatch(/\bat Object\.openSync/)
  })
})
