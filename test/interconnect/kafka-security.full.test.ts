import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import kafkajs from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import type { Log } from '../../src/log/log.ts'
import { openLog } from '../../src/log/open.ts'
import { logOptions } from '../../src/log/options.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { cutBatch } from '../support/batches.ts'
import { type Certificate, keyStore, TestAuthority } from '../support/certificates.ts'
import { headrace } from '../support/headrace-process.ts'
import { KafkaCluster } from '../support/kafka/cluster.ts'
import { until } from '../support/until.ts'

const PASSWORD = 'of-the-tests'
const SCRAM = 'org.apache.kafka.common.security.scram.ScramLoginModule required;'

describe('Kafka with TLS, SASL and an authorizer, as AMQ Streams sets it up', () => {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-kafka-security-'))
  const authority = new TestAuthority(folder)
  const clients = { core: authority.issue('headrace-core'), stranger: authority.issue('stranger') }
  let kafka: KafkaCluster
  let ports: { mutual: number; sasl: number }

  beforeAll(async () => {
    ports = { mutual: await freePort(), sasl: await freePort() }
    kafka = await KafkaCluster.start({
      listeners: [`MUTUAL://127.0.0.1:${ports.mutual}`, `SASL://127.0.0.1:${ports.sasl}`],
      format: ['headrace-core', 'headrace-reader'].flatMap(name => [
        '--add-scram',
        `SCRAM-SHA-512=[name=${name},password=${PASSWORD}]`,
      ]),
      settings: settings(authority),
    })
    const config = join(folder, 'core.yaml')
    writeFileSync(
      join(folder, 'proof.yaml'),
      'pipeline: proof\nsources: { source-1: { generator: { records_per_second: 1 } } }\n',
    )
    writeFileSync(join(folder, 'password'), `${PASSWORD}\n`)
    writeFileSync(config, `state: state\nlog: { kafka: { brokers: ["${kafka.bootstrap}"] } }\npipelines: [proof.yaml]\n`)
    await grantAll()
  })

  afterAll(async () => {
    await kafka?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  /** What `headrace acls` prints, run as it stands there. */
  async function grantAll(): Promise<void> {
    const printed = await headrace(['acls', '--config', join(folder, 'core.yaml')], { limitMs: 60_000 })
    expect(printed.code, printed.stderr).toBe(0)
    for (const line of printed.stdout.trim().split('\n')) {
      const [command, ...args] = line.split(' ').map(word => word.replace(/^'(.*)'$/, '$1'))
      expect(command).toBe('kafka-acls.sh')
      const run = await kafka.tool('org.apache.kafka.tools.AclCommand', args)
      expect(run.code, `${line}\n${run.stdout}${run.stderr}`).toBe(0)
    }
  }

  const ca = () => ({ ca: authority.ca })
  const open = (options: object): Promise<Log> => {
    const deps = { stateDir: folder, clock: systemClock, random: Math.random, log: silentLogger }
    return openLog(logOptions.parse({ kafka: options }), deps)
  }
  const mutual = ({ cert, key }: Certificate) => ({ brokers: [`127.0.0.1:${ports.mutual}`], tls: { ...ca(), cert, key } })
  const sasl = (mechanism: string, username: string, password_file = join(folder, 'password')) => ({
    brokers: [`127.0.0.1:${ports.sasl}`],
    tls: ca(),
    sasl: { mechanism, username, password_file },
  })

  test.each([
    ['a certificate', () => mutual(clients.core), 'by-certificate'],
    ['SCRAM', () => sasl('scram-sha-512', 'headrace-core'), 'by-scram'],
    ['PLAIN', () => sasl('plain', 'headrace-core'), 'by-plain'],
  ])('a core that shows %s does all that it has to', async (_what, options, source) => {
    const log = await open(options())
    const claim = await log.claim({ gateway: 'gw-1', source }, 'proof')
    const { next, proof } = await log.end(claim)
    const batch = cutBatch(next, 10, { key: `gw-1/${source}`, producerId: claim.producerId })
    expect(await log.append(claim, batch, proof)).toMatchObject({ outcome: 'appended', offset: next })
    expect(await log.lastBatch(claim)).toMatchObject({ sequence: next, count: 10 })
    await log.commitOffsets('headrace.proof.job', [{ ...claim, from: 5 }])
    await log.trim(claim, next + 10)
    expect((await log.end(claim)).first).toBe(next + 10)
    await log.close()
  })

  test('a core writes to no topic that is not of its pipelines', async () => {
    const log = await open(mutual(clients.core))
    await expect(log.claim({ gateway: 'gw-1', source: 'elsewhere' }, 'payroll')).rejects.toThrow(/payroll/)
    await log.close()
  })

  const examined = async (options: object) => {
    const file = join(folder, 'doctor.yaml')
    writeFileSync(file, JSON.stringify({ state: 'state', log: { kafka: options }, pipelines: ['proof.yaml'] }))
    const { stdout, stderr } = await headrace(['doctor', '--config', file, '--json'], { limitMs: 60_000 })
    expect(stderr).toBe('')
    const { findings } = JSON.parse(stdout) as {
      findings: { check: string; severity: string; message: string; advice?: string }[]
    }
    return findings.filter(({ message, advice }) => /\(ACL\)|this user may |log\.kafka/.test(`${message} ${advice}`))
  }

  test('the doctor says which rights are missing, and nothing where none is', async () => {
    const core = await examined(mutual(clients.core))
    expect(
      core.map(({ severity }) => severity),
      JSON.stringify(core),
    ).toEqual(['ok', 'ok'])
    const reader = await examined(sasl('scram-sha-512', 'headrace-reader'))
    expect(reader).toContainEqual(
      expect.objectContaining({
        severity: 'error',
        message: 'proof: this user may not DescribeConfigs, Write, Alter, Delete (ACL)',
        advice: expect.stringContaining('headrace acls'),
      }),
    )
    expect(reader).toContainEqual(expect.objectContaining({ message: 'headrace.claims: this user may not even see it (ACL)' }))
    expect(core).not.toContainEqual(expect.objectContaining({ severity: 'error' }))
  })

  test('the doctor says which one right is missing, and that it is there again once it was given as `headrace acls` prints it', async () => {
    const write = ['--allow-principal', 'User:headrace-core', '--operation', 'Write', '--topic', 'proof']
    const group = ['--allow-principal', 'User:headrace-core', '--group', 'headrace.', '--resource-pattern-type', 'prefixed']
    for (const rule of [write, [...group, '--operation', 'Read', '--operation', 'Describe']]) {
      const run = await kafka.tool('org.apache.kafka.tools.AclCommand', [
        ...['--bootstrap-server', kafka.bootstrap, '--remove', '--force'],
        ...rule,
      ])
      expect(run.code, run.stdout + run.stderr).toBe(0)
    }
    const advice = expect.stringContaining('headrace acls --config core.yaml')
    // A broker hears of a rule a moment after the controller has it.
    await until('both are missed', async () => {
      const found = await examined(mutual(clients.core))
      return found.filter(({ severity }) => severity === 'error').length === 2
    })
    const found = await examined(mutual(clients.core))
    expect(found).toContainEqual(
      expect.objectContaining({ severity: 'error', message: 'proof: this user may not Write (ACL)', advice }),
    )
    expect(found).toContainEqual(
      expect.objectContaining({ message: 'groups that begin with headrace.: this user may not Read, Describe (ACL)', advice }),
    )
    await grantAll()
    await until('nothing is missed any more', async () => {
      const again = await examined(mutual(clients.core))
      return again.length > 0 && again.every(({ severity }) => severity === 'ok')
    })
  })

  test('a reader reads, and cannot write', async () => {
    const client = consumer('headrace-reader')
    const admin = client.admin()
    await admin.connect()
    expect((await admin.fetchTopicOffsets('proof')).length).toBeGreaterThan(0)
    await admin.disconnect()
    const producer = client.producer()
    await producer.connect()
    const sent = producer.send({ topic: 'proof', messages: [{ value: 'forged' }] })
    await expect(sent).rejects.toMatchObject({ type: 'TOPIC_AUTHORIZATION_FAILED' })
    await producer.disconnect()
  })

  test('whoever has no rules, no certificate or a wrong password gets nowhere', async () => {
    const claimed = async (options: object) => {
      const log = await open(options)
      try {
        return await log.claim({ gateway: 'gw-1', source: 'stranger' }, 'proof')
      } finally {
        await log.close()
      }
    }
    await expect(claimed(mutual(clients.stranger))).rejects.toThrow()
    await expect(claimed({ brokers: [`127.0.0.1:${ports.mutual}`], tls: ca() })).rejects.toThrow()
    writeFileSync(join(folder, 'wrong'), 'wrong\n')
    await expect(claimed(sasl('scram-sha-512', 'headrace-core', join(folder, 'wrong')))).rejects.toThrow()
  })

  function consumer(username: string) {
    return new kafkajs.Kafka({
      brokers: [`127.0.0.1:${ports.sasl}`],
      ssl: { ca: [readFileSync(authority.ca, 'utf8')] },
      sasl: { mechanism: 'scram-sha-512', username, password: PASSWORD },
      logLevel: kafkajs.logLevel.NOTHING,
      retry: { retries: 2 },
    })
  }
})

/** What Strimzi makes of listeners with `tls`, `scram-sha-512` and `authorization: simple`; the plain listener is the operator's own. */
function settings(authority: TestAuthority): Record<string, string> {
  const plain = `org.apache.kafka.common.security.plain.PlainLoginModule required username="broker" password="${PASSWORD}" user_headrace-core="${PASSWORD}";`
  return {
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,MUTUAL:SSL,SASL:SASL_SSL',
    'inter.broker.listener.name': 'PLAINTEXT',
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'super.users': 'User:ANONYMOUS',
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': keyStore(authority.issue('broker')),
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': authority.ca,
    'listener.name.mutual.ssl.client.auth': 'required',
    'ssl.principal.mapping.rules': 'RULE:^CN=([^,]+).*$/$1/,DEFAULT',
    'listener.name.sasl.sasl.enabled.mechanisms': 'SCRAM-SHA-512,PLAIN',
    'listener.name.sasl.scram-sha-512.sasl.jaas.config': SCRAM,
    'listener.name.sasl.plain.sasl.jaas.config': plain,
  }
}
