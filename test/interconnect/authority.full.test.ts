import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { type CommandRun, HeadraceProcess, headrace, statusOf } from '../support/headrace-process.ts'
import { KafkaCluster } from '../support/kafka/cluster.ts'
import { until } from '../support/until.ts'

const GATEWAY = 'plant-a-1'
/** The machine may be busy with other things: a limit, and no claim. */
const LIMIT_MS = 120_000

interface CoreStatus {
  readonly running: true
  readonly gateways: readonly { readonly gateway: string }[]
}

interface EdgeStatus {
  readonly sources?: readonly { readonly settled: number }[]
  readonly alarms?: readonly { readonly code: string; readonly message: string }[]
}

describe('two cores of one authority, at a real Kafka', () => {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-authority-'))
  const urls: string[] = []
  const processes = new Map<string, HeadraceProcess>()
  let kafka: KafkaCluster

  const at = (...names: string[]) => join(folder, ...names)
  const config = (name: string) => at(`${name}.yaml`)

  async function ran(...args: string[]): Promise<CommandRun> {
    const run = await headrace(args, { cwd: folder, limitMs: LIMIT_MS })
    expect(run.code, `headrace ${args.join(' ')}\n${run.stdout}${run.stderr}`).toBe(0)
    return run
  }

  function processOf(name: string): HeadraceProcess {
    const found = processes.get(name)
    if (!found) throw new Error(`no process ${name}`)
    return found
  }

  /** Undefined while it does not run. */
  const core = async (name: string) => {
    const status = await statusOf<CoreStatus | { running: false }>(['--config', config(name)])
    return status?.running ? status : undefined
  }
  const edge = () => statusOf<EdgeStatus>(['--config', config('edge')])
  const settled = async () => (await edge())?.sources?.[0]?.settled ?? -1
  const told = async () => (await edge())?.alarms?.some(({ message }) => message.includes(`${GATEWAY} was revoked`))
  const flows = async (what: string) => {
    const before = await until('the edge answers', async () => (await settled()) >= 0 && { settled: await settled() }, LIMIT_MS)
    await until(what, async () => (await settled()) > before.settled, LIMIT_MS)
  }

  beforeAll(async () => {
    kafka = await KafkaCluster.start()
    const pipeline = at('proof.yaml')
    writeFileSync(pipeline, 'pipeline: proof\nsources: { source-1: { generator: { records_per_second: 50 } } }\n')
    for (const name of ['core-a', 'core-b']) {
      const url = `amqps://127.0.0.1:${await freePort()}`
      urls.push(url)
      const text = `name: ${name}\nstate: ${at(name)}\nlog: { kafka: { brokers: ${JSON.stringify(kafka.addresses)} } }\ningress: { listen: "${url}" }\nca: {}\n`
      writeFileSync(config(name), text)
      mkdirSync(at(name))
      const args = ['core', '--config', config(name)]
      processes.set(name, new HeadraceProcess({ name, args, logPath: at(`${name}.log`) }))
    }
    const text = `gateway: ${GATEWAY}\nstate: ${at('edge')}\nuplink: { urls: ${JSON.stringify([urls[1], urls[0]])} }\npipelines: ["${pipeline}"]\n`
    writeFileSync(config('edge'), text)
    const args = ['edge', '--config', config('edge')]
    processes.set('edge', new HeadraceProcess({ name: 'edge', args, logPath: at('edge.log') }))
  })

  afterAll(async () => {
    for (const each of processes.values()) await each.end()
    await kafka?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  test('a gateway enrols at the one with a token of the other, made before either has run', async () => {
    await ran('ca', 'init', '--config', config('core-a'), '--host', '127.0.0.1')
    const token = (await ran('ca', 'token', '--config', config('core-a'), '--gateway', GATEWAY)).stdout.trim()
    await ran('ca', 'core', '--config', config('core-a'), '--host', '127.0.0.1', '--out', at('carried'))
    renameSync(at('carried'), at('core-b', 'ca'))
    processOf('core-a').start()
    await until('the first runs', () => core('core-a'), LIMIT_MS)
    processOf('core-b').start()
    await until('the second runs', () => core('core-b'), LIMIT_MS)
    await ran('enroll', '--config', config('edge'), '--token', token, '--url', String(urls[1]))
    const again = await headrace(['enroll', '--state', at('thief'), '--token', token, '--url', String(urls[0])], {
      limitMs: LIMIT_MS,
    })
    expect(again.code).toBe(1)
    expect(again.stderr).toContain('used up')
    processOf('edge').start()
    await flows('records of the gateway are taken')
  })

  test('who is sent away at the one is sent away by the other, which it is connected to', async () => {
    await until('it is at the second', async () => (await core('core-b'))?.gateways.length === 1, LIMIT_MS)
    const { stdout } = await ran('ca', 'revoke', GATEWAY, '--config', config('core-a'))
    expect(stdout).toContain('The other cores at this log know it too.')
    await until('the second has closed its link', async () => (await core('core-b'))?.gateways.length === 0, LIMIT_MS)
    await until('the gateway says so', told, LIMIT_MS)
  })

  test('and stays away after kill -9, and from one that has lost its register', async () => {
    await processOf('core-b').kill9()
    for (const end of ['', '-wal', '-shm']) rmSync(at('core-b', 'ca', `register.db${end}`), { force: true })
    processOf('core-b').start()
    await until('it runs again', () => core('core-b'), LIMIT_MS)
    const rows = JSON.parse((await ran('ca', 'list', '--json', '--config', config('core-b'))).stdout)
    expect(rows).toMatchObject([{ gateway: GATEWAY, state: 'revoked' }])
    expect((await core('core-b'))?.gateways).toEqual([])
  })

  test('what is said to a core that does not run is heard when it does', async () => {
    await processOf('core-b').kill9()
    const { stdout } = await ran('ca', 'allow', GATEWAY, '--config', config('core-b'))
    expect(stdout).toContain('do not know it yet')
    const state = async () => JSON.parse((await ran('ca', 'list', '--json', '--config', config('core-a'))).stdout)[0].state
    expect(await state()).toBe('revoked')
    processOf('core-b').start()
    await until('the other has heard', async () => (await state()) === 'allowed', LIMIT_MS)
    await flows('it comes in again')
    expect(await told()).toBe(false)
  })
})
