import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import rhea from 'rhea'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { type CommandRun, HeadraceProcess, headrace, statusOf } from '../support/headrace-process.ts'
import { until } from '../support/until.ts'

/** Every secret of the test has this in it, and its place in the configuration behind that. */
const MARK = 'geheim7Q'

/** The machine may be busy with other things: a limit, and no claim. */
const LIMIT_MS = 150_000

let folder: string
/** What processes and commands said, by who said it. */
const said = new Map<string, string>()
const processes: HeadraceProcess[] = []
/** The inside of private keys: they are secrets without a mark. */
const keys: string[] = []

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-secrets-'))
})
afterAll(async () => {
  for (const each of processes) await each.end()
  rmSync(folder, { recursive: true, force: true })
})

function write(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text, { mode: 0o600 })
  return path
}

const secretFile = (where: string) => write(`${where}.secret`, `${MARK}-${where}\n`)

async function command(...args: string[]): Promise<CommandRun> {
  const run = await headrace(args, { cwd: folder, limitMs: 120_000 })
  said.set(
    `${said.size} headrace ${args.join(' ').replaceAll(new RegExp(`${MARK}|hr1\\.\\S+`, 'g'), '…')}`,
    run.stdout + run.stderr,
  )
  return run
}

function start(name: string, ...args: string[]): HeadraceProcess {
  const running = new HeadraceProcess({ name, args: [...args, '--log-level', 'debug'], logPath: join(folder, `${name}.log`) })
  processes.push(running)
  running.start()
  return running
}

/** What a process has logged so far; its file comes with its first line. */
function logOf({ logPath }: HeadraceProcess): string {
  return existsSync(logPath) ? readFileSync(logPath, 'utf8') : ''
}

/** Who said something with a secret in it, and the words before it. */
function leaks(): string[] {
  for (const each of processes) said.set(`the log of ${each.name}`, logOf(each))
  return [...said].flatMap(([who, text]) =>
    [MARK, ...keys].flatMap(secret => {
      const at = text.indexOf(secret)
      return at < 0 ? [] : [`${who}: …${text.slice(Math.max(0, at - 120), at)}`]
    }),
  )
}

describe('secrets are in nothing that is said', () => {
  test('by a gateway on which everything fails', async () => {
    const port = await freePort()
    const closed = `127.0.0.1:${port}`
    write(
      'edge-pipeline.yaml',
      `pipeline: plant
sources:
  broker: { mqtt: { url: "mqtt://mqtt-user:${MARK}-mqtt-url@${closed}", topics: [a], username: u, password_file: ${secretFile('mqtt')} } }
  asked: { http: { url: "http://${closed}/x?key=${MARK}-query", every: 100ms, bearer_file: ${secretFile('bearer')}, headers: { x-key: "${MARK}-header" } } }
  with-name: { http: { url: "http://user:${MARK}-http-url@${closed}/", every: 100ms } }
  logged-in: { http: { url: "http://${closed}/y", every: 100ms, username: u, password_file: ${secretFile('http')} } }
  hook: { webhook: { listen: "192.0.2.1:${port}", bearer_file: ${secretFile('webhook')} } }
  counter: { generator: { records_per_second: 20 } }
analysers:
  always: { sources: [counter], on: gateway, every: 1s, when: "records() >= 0", alert: { webhook: "http://${closed}/${MARK}-alert-path?t=${MARK}-alert-query" } }
  also: { sources: [counter], on: gateway, every: 1s, when: "records() >= 0", alert: { webhook: "http://u:${MARK}-alert-user@${closed}/" } }
  amqp: { sources: [counter], on: gateway, every: 1s, when: "records() >= 0", alert: { amqp: { address: "amqp://${closed}/alerts", username: u, password_file: ${secretFile('alert-amqp')} } } }
`,
    )
    const config = write(
      'edge.yaml',
      `gateway: ${'plant-a-1'}
state: ${join(folder, 'edge')}
uplink: { url: "amqp://${closed}", mode: router, sasl: { username: u, password_file: ${secretFile('uplink')} } }
pipelines: ["${join(folder, 'edge-pipeline.yaml')}"]
`,
    )
    const valid = await command('validate', config)
    expect(valid.stderr).toBe('')
    const edge = start('edge', 'edge', '--config', config)
    const waiting = ['broker', 'asked', 'with-name', 'logged-in', 'hook']
    await until(
      'everything fails',
      async () => {
        const status = await statusOf<{ sources?: { source: string; state: string }[]; alarms?: { code: string }[] }>([
          '--config',
          config,
        ])
        const states = new Map(status?.sources?.map(({ source, state }) => [source, state]))
        return (
          waiting.every(source => states.get(source) === 'waiting') &&
          status?.alarms?.some(({ code }) => code === 'alert_undelivered')
        )
      },
      LIMIT_MS,
    )
    for (const args of [
      ['status'],
      ['status', '--json'],
      ['status', '--metrics'],
      ['source', 'list'],
      ['source', 'list', '--json'],
    ])
      await command(...args, '--config', config)
    await command('doctor', '--config', config)
    await command('where', 'plant-a-1/counter', '--config', config)
    await edge.stop()
    expect(leaks()).toEqual([])
  })

  test('by a core whose router, alerts and jobs fail, and by one whose Kafka is away', async () => {
    const closed = `127.0.0.1:${await freePort()}`
    const tls = secretFile('not-a-key')
    write(
      'core-pipeline.yaml',
      `pipeline: plant
sources: { counter: { generator: {} } }
batch:
  load: { schedule: "* * * * *", run: [sh, -c, "exit 3"] }
analysers:
  quiet: { silence: 1s, alert: { webhook: "http://u:${MARK}-webhook@${closed}/${MARK}-path" } }
`,
    )
    const core = (name: string, rest: string) =>
      write(`${name}.yaml`, `state: ${join(folder, name)}\n${rest}\npipelines: ["${join(folder, 'core-pipeline.yaml')}"]\n`)
    const router = core(
      'router-core',
      `log: { sqlite: {} }\ningress: { connect: "amqp://${closed}", sasl: { username: u, password_file: ${secretFile('router')} } }`,
    )
    const kafka = core(
      'kafka-core',
      `log: { kafka: { brokers: ["${closed}"], sasl: { mechanism: scram-sha-512, username: u, password_file: ${secretFile('kafka')} } } }`,
    )
    const badKey = core(
      'bad-key-core',
      `log: { sqlite: {} }\ningress: { listen: "amqps://${closed}", tls: { cert: ${tls}, key: ${tls}, ca: ${tls} } }`,
    )
    const running = start('router-core', 'core', '--config', router)
    await until('the router is missed', () => logOf(running).includes('a router or broker cannot be used'), LIMIT_MS)
    for (const args of [
      ['status'],
      ['status', '--json'],
      ['status', '--metrics'],
      ['batch', 'list'],
      ['batch', 'run', 'plant.load'],
    ])
      await command(...args, '--config', router)
    await command('doctor', '--config', router)
    await running.stop()
    const without = start('kafka-core', 'core', '--config', kafka)
    await until('Kafka is missed', () => !without.running || logOf(without).length > 1_000, LIMIT_MS)
    await without.end()
    expect((await command('core', '--config', badKey)).code).not.toBe(0)
    await command('acls', '--config', kafka)
    expect(leaks()).toEqual([])
  })

  test('where the configuration itself is wrong', async () => {
    const head = `gateway: g\nstate: ${folder}\npipelines: ["${join(folder, 'edge-pipeline.yaml')}"]\n`
    const wrong = [
      `${head}uplink: { url: "amqps://u:${MARK}-in-url@core/path" }`,
      `${head}uplink: { url: "amqps://u:${MARK}-in-url@core" }`,
      `${head}uplink: { url: "amqp://core", sasl: { username: u, password: "${MARK}-password" } }`,
      `${head}uplink: { url: "amqp://core", sasl: { username: u, password_file: ["${MARK}-list"] } }`,
      `${head}uplink: { url: "amqp://core", sasl: { username: u, password: "${MARK}-unclosed }`,
      `${head}uplink: { url: "amqp://core", sasl: { username: u\n  password: ${MARK}-indent: x }`,
    ]
    for (const [index, text] of wrong.entries()) {
      const config = write(`wrong-${index}.yaml`, text)
      expect((await command('validate', config)).code).toBe(2)
      expect((await command('edge', '--config', config)).code).toBe(2)
    }
    const alert = `sources: [a], on: gateway, every: 1s, when: "records() >= 0", alert: { amqp: "amqp://u:${MARK}-in-alert@broker/a" }`
    const pipeline = write(
      'wrong-pipeline.yaml',
      `pipeline: p\nsources: { a: { generator: {} } }\nanalysers: { x: { ${alert} } }\n`,
    )
    const refused = await command('validate', pipeline)
    expect(refused.code).toBe(2)
    expect(refused.stderr).toContain('no password in it')
    expect(leaks()).toEqual([])
  })

  test('by a gateway and a core whose log-in is refused', async () => {
    const seen: string[] = []
    const router = rhea.create_container({ id: 'router' })
    router.sasl_server_mechanisms.enable_plain((name: string) => {
      seen.push(name)
      return false
    })
    for (const event of ['error', 'connection_error', 'disconnected', 'protocol_error']) router.on(event as 'error', () => {})
    const listener = router.listen({ port: await freePort(), host: '127.0.0.1' })
    try {
      await once(listener, 'listening')
      const { port } = listener.address() as AddressInfo
      const at = (of: string, username: string) =>
        `{ ${of}: "amqp://127.0.0.1:${port}", mode: router, sasl: { username: ${username}, password_file: ${secretFile(`${username}-login`)} } }`
      const pipeline = write('refused-pipeline.yaml', 'pipeline: p\nsources: { g: { generator: {} } }\n')
      const pipelines = `pipelines: ["${pipeline}"]`
      const edgeConfig = write(
        'refused-edge.yaml',
        `gateway: plant-a-1\nstate: ${join(folder, 'refused-edge')}\nuplink: ${at('url', 'plant-a-1')}\n${pipelines}\n`,
      )
      const coreConfig = write(
        'refused-core.yaml',
        `state: ${join(folder, 'refused-core')}\nlog: { sqlite: {} }\ningress: ${at('connect', 'headrace-core')}\n`,
      )
      const refused = [
        start('refused-edge', 'edge', '--config', edgeConfig),
        start('refused-core', 'core', '--config', coreConfig),
      ]
      await until('both were refused', () => ['plant-a-1', 'headrace-core'].every(name => seen.includes(name)), LIMIT_MS)
      for (const each of refused) await until(`${each.name} says so`, () => /authenticat/i.test(logOf(each)), LIMIT_MS)
      for (const config of [edgeConfig, coreConfig]) {
        await command('status', '--config', config)
        await command('status', '--json', '--config', config)
        await command('doctor', '--config', config)
      }
      for (const each of refused) await each.stop()
      expect(leaks()).toEqual([])
    } finally {
      listener.close()
    }
  })

  test('by enrolment: neither token nor key', async () => {
    const url = `amqps://127.0.0.1:${await freePort()}`
    const state = join(folder, 'ca-core')
    const config = write('ca-core.yaml', `state: ${state}\nlog: { sqlite: {} }\ningress: { listen: "${url}" }\nca: {}\n`)
    expect((await command('ca', 'init', '--config', config, '--host', '127.0.0.1')).code).toBe(0)
    const core = start('ca-core', 'core', '--config', config)
    await until('the core listens', () => logOf(core).includes('core started'), LIMIT_MS)
    // What it prints is the token: that is what it is for.
    const { stdout } = await headrace(['ca', 'token', '--config', config, '--gateway', 'plant-a-1', '--url', url], {
      cwd: folder,
    })
    const token = stdout.trim()
    keys.push(token.slice(4), (JSON.parse(Buffer.from(token.slice(4), 'base64url').toString('utf8')) as { s: string }).s)
    const edgeState = join(folder, 'ca-edge')
    mkdirSync(edgeState)
    expect((await command('enroll', '--token', token, '--state', edgeState)).code).toBe(0)
    for (const path of [
      join(edgeState, 'edge', 'identity.pem'),
      ...['root', 'issuing', 'server'].map(each => join(state, 'ca', `${each}.key`)),
    ])
      keys.push(readFileSync(path, 'utf8').split('\n')[1] ?? '')
    // Used, cut off, for nobody, without an answer.
    expect((await command('enroll', '--token', token, '--state', join(folder, 'ca-edge-2'))).code).toBe(1)
    expect((await command('enroll', '--token', token.slice(0, -9), '--state', edgeState)).code).toBe(2)
    expect((await command('enroll', token, '--token', token)).code).toBe(2)
    const away = ['--url', `amqps://127.0.0.1:${await freePort()}`]
    expect((await command('enroll', '--token', token, '--state', edgeState, ...away)).code).toBe(1)
    await command('ca', 'list', '--config', config)
    await command('ca', 'revoke', 'plant-a-1', '--config', config)
    await command('status', '--json', '--config', config)
    await core.stop()
    expect(keys.every(key => key.length > 10)).toBe(true)
    expect(leaks()).toEqual([])
  })

  test('which would be found where they were said', async () => {
    await command('status', '--state', join(folder, `${MARK}-planted`))
    expect(leaks()).toMatchObject([expect.stringContaining('headrace status')])
  })
})
