import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dial } from '../../src/amqp/dial.ts'
import { Authority } from '../../src/ca/authority.ts'
import { readIdentity } from '../../src/ca/gateway-identity.ts'
import { certificatesIn } from '../../src/ca/pem.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { Artemis } from '../support/artemis/artemis.ts'
import { headrace } from '../support/headrace-process.ts'
import { until } from '../support/until.ts'
import { Plant } from './plant.ts'

const GATEWAY = 'plant-a-1'
const LIMIT_MS = 150_000

describe('through Artemis with certificates of the built-in authority, by the configuration that is shipped', () => {
  const made = mkdtempSync(join(tmpdir(), 'headrace-secured-'))
  const ca = join(made, 'ca')
  let artemis: Artemis
  let plant: Plant

  beforeAll(async () => {
    await Authority.init(ca, systemClock, { name: 'Plant', hosts: ['127.0.0.1'] })
    const root = join(ca, 'root.crt')
    const [broker, core] = await Promise.all(
      ['127.0.0.1', 'headrace-core'].map(host => Authority.newServer(ca, systemClock, [host], join(made, host))),
    )
    if (!broker || !core) throw new Error('no certificates')
    artemis = await Artemis.create({ ...broker, ca: root })
    await artemis.start()
    plant = new Plant({
      log: '{ sqlite: {} }',
      ingress: () =>
        `{ connect: "${artemis.url}", mode: broker, tls: { cert: "${core.cert}", key: "${core.key}", ca: "${root}" } }\nca: { folder: "${ca}", certificate_life: 30s }`,
      uplink: () => `{ url: "${artemis.url}", mode: broker, renew_at: "${artemis.renewalsUrl}" }`,
      cores: 1,
      gateways: [GATEWAY, 'stranger'],
      sources: 2,
      records: 1_000,
      recordsPerSecond: 200,
      seed: 7,
    })
  })

  afterAll(async () => {
    await plant?.end()
    await artemis?.stop()
    rmSync(made, { recursive: true, force: true })
  })

  const configOf = (gateway: string) => join(plant.folder, `${gateway}.yaml`)
  const identityOf = (gateway: string) => {
    const identity = readIdentity(join(plant.folder, gateway, 'edge', 'identity.pem'))
    if (!identity) throw new Error(`${gateway} is not enrolled`)
    return identity
  }

  async function enroll(gateway: string): Promise<void> {
    const token = await headrace(['ca', 'token', '--folder', ca, '--gateway', gateway], { limitMs: LIMIT_MS })
    const args = ['enroll', '--config', configOf(gateway), '--token', token.stdout.trim()]
    const enrolled = await until(
      `${gateway} is enrolled`,
      async () => {
        const run = await headrace(args, { limitMs: LIMIT_MS })
        return (run.code === 0 || /used up/.test(run.stderr)) && run
      },
      LIMIT_MS,
    )
    expect(enrolled.code, enrolled.stderr).toBe(0)
  }

  test('a gateway enrols through the broker, by the door for those who have no certificate', async () => {
    plant.cores[0]?.start()
    await enroll(GATEWAY)
    expect(identityOf(GATEWAY).gateway).toBe(GATEWAY)
  })

  test('one whose certificate has ended is not let in, renews it by that door, and sends', async () => {
    const before = identityOf(GATEWAY)
    const end = certificatesIn(before.chain)[0]?.validToDate.getTime() ?? 0
    await until('its certificate has ended', () => Date.now() > end, LIMIT_MS)
    const tls = { cert: before.chain, key: before.key, ca: before.root.toString() }
    await expect(dialled({ url: artemis.url, tls })).rejects.toThrow()
    plant.edge(GATEWAY).start()
    const settled = async () => (await plant.edgeStatus(GATEWAY))?.sources.every(({ settled }) => settled >= 1_000)
    await until('the broker has everything', settled, LIMIT_MS)
    expect(identityOf(GATEWAY).chain).not.toBe(before.chain)
    expect((await plant.edgeStatus(GATEWAY))?.alarms).toEqual([])
    await until(
      'the log has everything',
      async () => {
        const status = (await plant.coreStatus(0)) as { sources?: { next: number }[] } | undefined
        return status?.sources?.filter(({ next }) => next === 1_000).length === 2
      },
      LIMIT_MS,
    )
  })

  test('nobody comes in without a certificate, with one of another authority, or sends as another gateway', async () => {
    const root = readFileSync(join(ca, 'root.crt'))
    await expect(dialled({ url: artemis.url, tls: { ca: root } })).rejects.toThrow()
    const foreign = join(made, 'foreign')
    await Authority.init(foreign, systemClock, { name: 'Other', hosts: ['127.0.0.1'] })
    const { cert, key } = await Authority.newServer(foreign, systemClock, [GATEWAY], join(made, 'foreign-gateway'))
    await expect(
      dialled({ url: artemis.url, tls: { cert: readFileSync(cert), key: readFileSync(key), ca: root } }),
    ).rejects.toThrow()
    await enroll('stranger')
    const { chain, key: own } = identityOf('stranger')
    const connection = await dialled({ url: artemis.url, tls: { cert: chain, key: own, ca: root } })
    const attach = (address: string) => connection.openSender({ address, capabilities: ['queue'], timeoutMs: 10_000 })
    await expect(attach('headrace.in.plant-a-1')).rejects.toThrow(/unauthorized|not authorized|security/i)
    await expect(attach('headrace.open')).resolves.toBeDefined()
    connection.destroy()
  })

  test('by the door for those who have no certificate nothing passes but questions', async () => {
    const connection = await dialled({ url: artemis.renewalsUrl, tls: { ca: readFileSync(join(ca, 'root.crt')) } })
    const attach = (address: string) => connection.openSender({ address, capabilities: ['queue'], timeoutMs: 10_000 })
    for (const address of ['headrace.open', 'headrace.in.plant-a-1', 'headrace.again.plant-a-1'])
      await expect(attach(address)).rejects.toThrow(/unauthorized|not authorized|security/i)
    await expect(attach('headrace.identity')).resolves.toBeDefined()
    connection.destroy()
  })

  function dialled(options: { url: string; tls: { cert?: string | Buffer; key?: string | Buffer; ca: string | Buffer } }) {
    return dial({ containerId: 'test', clock: systemClock, log: silentLogger, ...options })
  }
})
