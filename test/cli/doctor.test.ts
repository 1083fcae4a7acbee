import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { Finding } from '../../src/doctor/finding.ts'
import { headrace } from '../support/headrace-process.ts'
import { KafkaCluster } from '../support/kafka/cluster.ts'

let folder: string
let kafka: KafkaCluster
const path = (name: string) => join(folder, name)

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-doctor-'))
  kafka = await KafkaCluster.at(inject('kafkaBootstrap'))
})

afterAll(async () => {
  await kafka.stop()
  rmSync(folder, { recursive: true, force: true })
})

function write(name: string, text: string): string {
  writeFileSync(path(name), text)
  return path(name)
}

async function doctor(...args: string[]) {
  const run = await headrace(['doctor', ...args, '--json'], { limitMs: 60_000 })
  return { ...run, findings: run.stdout === '' ? [] : (JSON.parse(run.stdout) as { findings: Finding[] }).findings }
}

const of = (findings: readonly Finding[], check: string) => findings.filter(each => each.check === check)

describe('headrace doctor', () => {
  test('of a gateway whose device, certificate and core are wrong says so, says what to do, and ends with 1', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    write('key.pem', privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
    write('cert.pem', 'no certificate')
    const sources = [
      'a: { serial: { path: /dev/nothing-here }, frame: { delimiter: "\\n" } }',
      'b: { file: { path: /dev/null } }',
      'c: { directory: { path: none } }',
      'd: { file: { path: none/app.log } }',
      'e: { file: { path: later.log } }',
    ]
    write('p.yaml', `pipeline: p\nsources:\n  ${sources.join('\n  ')}\n`)
    const uplink = 'url: "amqps://127.0.0.1:1", tls: { cert: cert.pem, key: key.pem }'
    const config = write('edge.yaml', `gateway: g\nstate: state\nuplink: { ${uplink} }\npipelines: [p.yaml]\n`)
    const { code, findings } = await doctor('--config', config)
    expect(code).toBe(1)
    for (const check of ['device', 'certificate', 'core'])
      expect(
        of(findings, check).some(({ severity }) => severity === 'error'),
        check,
      ).toBe(true)
    expect(of(findings, 'file').map(({ severity, message }) => `${severity} ${message.replaceAll(`${folder}/`, '')}`)).toEqual([
      'error b: /dev/null is no file',
      'error c: none is not there',
      'error d: none, in which none/app.log is to be, is not there',
      'ok e: later.log is not there yet; it is waited for',
    ])
    for (const { severity, advice } of findings) expect(advice !== undefined).toBe(severity !== 'ok')
    // It only looks.
    expect(readdirSync(folder)).not.toContain('state')
  })

  test('of a gateway whose core answers ends with 0', async () => {
    // Anything that listens is no core: it has to speak AMQP.
    const silent = createServer(socket => socket.destroy())
    await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
    const { port } = silent.address() as { port: number }
    write('g.yaml', 'pipeline: g\nsources:\n  a: { generator: { records_per_second: 1 } }\n')
    const config = write(
      'edge-2.yaml',
      `gateway: g\nstate: state\nuplink: { url: "amqp://127.0.0.1:${port}" }\npipelines: [g.yaml]\n`,
    )
    expect((await doctor('--config', config)).code).toBe(1)
    silent.close()
  })

  test('of a core names the setting of a topic that is wrong, and the command that mends it', async () => {
    const args = ['--bootstrap-server', kafka.bootstrap, '--create', '--topic', 'ill', '--config', 'retention.ms=1000']
    expect((await kafka.tool('org.apache.kafka.tools.TopicCommand', args)).code).toBe(0)
    write('ill.yaml', 'pipeline: ill\nsources:\n  a: { generator: { records_per_second: 1 } }\n')
    const config = write('core.yaml', coreText('ill.yaml'))
    const { code, findings } = await doctor('--config', config)
    expect(code).toBe(1)
    const wrong = of(findings, 'kafka').find(({ severity, message }) => severity === 'error' && message.includes('retention.ms'))
    expect(wrong?.advice).toContain('--entity-name ill --add-config retention.ms=-1')
    expect(of(findings, 'kafka').some(({ severity, message }) => severity === 'warning' && message.includes('1 broker'))).toBe(
      true,
    )
  })

  test('a file that is no configuration of a machine is wrong input', async () => {
    const { code, stderr } = await doctor('--config', write('pipeline.yaml', 'pipeline: x\nsources: {}\n'))
    expect(code).toBe(2)
    expect(stderr).toContain('neither an edge.yaml')
  })
})

describe('headrace doctor --torture', () => {
  test('without --yes says what it would do, and does nothing', async () => {
    const run = await headrace(['doctor', '--torture', '--config', write('quiet.yaml', coreText())])
    expect(run.code).toBe(2)
    expect(run.stdout).toContain('scratch gateway')
    expect(readdirSync(folder)).not.toContain('core-state')
  })
})

function coreText(pipeline?: string): string {
  const brokers = JSON.stringify(inject('kafkaBootstrap').split(','))
  return `state: core-state\nlog: { kafka: { brokers: ${brokers} } }\ningress: { listen: "amqp://127.0.0.1:1" }\npipelines: ${JSON.stringify(pipeline ? [pipeline] : [])}\n`
}
