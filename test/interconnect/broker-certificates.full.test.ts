import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { readIdentity } from '../../src/ca/gateway-identity.ts'
import { certificatesIn } from '../../src/ca/pem.ts'
import type { EdgeStatus } from '../../src/cli/edge-status.ts'
import { check } from '../fault/checker.ts'
import { Artemis } from '../support/artemis/artemis.ts'
import { HeadraceProcess, headrace } from '../support/headrace-process.ts'
import { consumeTopic } from '../support/kafka/consume.ts'
import { until } from '../support/until.ts'
import { Plant } from './plant.ts'

const GATEWAY = 'plant-a-1'
/** Enrolled and known to the broker, with no queue of its own. */
const OTHER = 'plant-a-2'
/** Enrolled, and not known to the broker. */
const UNKNOWN = 'plant-a-3'
const TOPIC = 'with-certificates'
const SOURCES = 2
const RECORDS = 1_000
/** A limit, and no claim: the machine may be busy with other things. */
const LIMIT_MS = 150_000
/** Of a certificate whose end is waited for. */
const SHORT_LIFE = '15s'

/*
  The steps of docs/interconnect.md, "With certificates": an authority, a core where gateways enrol, a broker with the shipped configuration and the
  acceptor for certificates, and a core that fetches from it. Everything by commands, at a real Kafka and a real Artemis.
*/
describe('through Artemis with certificates of the built-in authority, by the configuration that is shipped', () => {
  const made = mkdtempSync(join(tmpdir(), 'headrace-broker-certificates-'))
  const at = (...names: string[]) => join(made, ...names)
  const root = at('door', 'ca', 'root.crt')
  let door: HeadraceProcess
  let doorUrl: string
  let artemis: Artemis
  let plant: Plant

  const kafka = () => `{ kafka: { brokers: ${JSON.stringify(inject('kafkaBootstrap').split(','))} } }`

  /** How long the certificates are good that it issues from its next start on. */
  function configureDoor(life = '90d'): void {
    const ca = `ca: { certificate_life: ${life} }`
    writeFileSync(
      at('door.yaml'),
      `name: door\nstate: ${at('door')}\nlog: ${kafka()}\ningress: { listen: "${doorUrl}" }\n${ca}\n`,
    )
  }

  async function reopenDoor(life?: string): Promise<void> {
    await door.kill9()
    configureDoor(life)
    door.start()
  }

  async function ran(...args: string[]): Promise<string> {
    const run = await headrace(args, { cwd: made, limitMs: LIMIT_MS })
    expect(run.code, `headrace ${args.join(' ')}\n${run.stdout}${run.stderr}`).toBe(0)
    return run.stdout.trim()
  }

  beforeAll(async () => {
    doorUrl = `amqps://127.0.0.1:${await freePort()}`
    const config = at('door.yaml')
    mkdirSync(at('door'))
    configureDoor()
    await ran('ca', 'init', '--config', config, '--host', '127.0.0.1')
    await ran('ca', 'server', '--config', config, '--host', '127.0.0.1', '--out', at('broker'))
    await ran('ca', 'server', '--config', config, '--host', 'headrace-core', '--out', at('core'))
    await ran('ca', 'core', '--config', config, '--host', 'headrace-core', '--out', at('carried'))
    door = new HeadraceProcess({ name: 'door', args: ['core', '--config', config], logPath: at('door.log') })
    artemis = await Artemis.create({ cert: at('broker.crt'), key: at('broker.key'), ca: root })
    artemis.admit(OTHER)
    await artemis.start()
    const tls = `{ cert: "${at('core.crt')}", key: "${at('core.key')}", ca: "${root}" }`
    plant = new Plant({
      log: kafka(),
      ingress: () => `{ connect: "${artemis.url}", mode: broker, tls: ${tls} }\nca: {}`,
      uplink: () => `{ url: "${artemis.url}", mode: broker, renew_at: "${doorUrl}" }`,
      cores: 1,
      gateways: [GATEWAY, OTHER, UNKNOWN],
      sources: SOURCES,
      records: RECORDS,
      recordsPerSecond: 100,
      seed: 7,
      topic: TOPIC,
    })
    renameSync(at('carried'), join(plant.folder, 'core-0', 'ca'))
    door.start()
    plant.cores[0]?.start()
    for (const gateway of [GATEWAY, OTHER, UNKNOWN]) await enroll(gateway)
  }, 400_000)

  afterAll(async () => {
    await plant?.end()
    await artemis?.stop()
    await door?.end()
    rmSync(made, { recursive: true, force: true })
  })

  const identityFile = (gateway: string) => join(plant.folder, gateway, 'edge', 'identity.pem')
  const leafOf = (gateway: string) => {
    const [leaf] = certificatesIn(readIdentity(identityFile(gateway))?.chain ?? '')
    if (!leaf) throw new Error(`${gateway} is not enrolled`)
    return leaf
  }
  const refusalOf = async (gateway: string) =>
    (await plant.edgeStatus(gateway))?.alarms.find(({ code }) => code === 'link_refused')
  const settledOf = (status: EdgeStatus | undefined) => status?.sources.map(({ settled }) => settled) ?? []

  /** With the door's limit on strangers and a core that starts, the first attempt may come too early. */
  async function enroll(gateway: string): Promise<void> {
    const token = await ran('ca', 'token', '--config', at('door.yaml'), '--gateway', gateway)
    const args = ['enroll', '--config', join(plant.folder, `${gateway}.yaml`), '--token', token]
    await until(`${gateway} is enrolled`, async () => (await headrace(args, { limitMs: LIMIT_MS })).code === 0, LIMIT_MS)
  }

  /** What a gateway is told that has another `uplink:` than the plant gave it. */
  async function refusedWith(gateway: string, uplink: string) {
    const config = at(`${gateway}-changed.yaml`)
    const state = join(plant.folder, gateway)
    writeFileSync(
      config,
      `gateway: ${gateway}\nstate: ${state}\nuplink: ${uplink}\npipelines: ["${join(plant.folder, 'proof.yaml')}"]\n`,
    )
    const edge = new HeadraceProcess({ name: gateway, args: ['edge', '--config', config], logPath: at(`${gateway}.log`) })
    edge.start()
    try {
      const { message, advice } = await until(`${gateway} is told`, () => refusalOf(gateway), LIMIT_MS).catch(cause => {
        throw new Error(`${cause}\n${readFileSync(at(`${gateway}.log`), 'utf8').slice(-4_000)}`)
      })
      expect(settledOf(await plant.edgeStatus(gateway))).toEqual([0, 0])
      return { message, advice }
    } finally {
      await edge.end()
    }
  }

  test('a gateway with another’s certificate is refused by the broker, and told what to do', async () => {
    // Files in the place of what was enrolled: the gateway cannot know that the broker will not have it.
    copyFileSync(identityFile(OTHER), at('other.pem'))
    const files = `{ cert: "${at('other.pem')}", key: "${at('other.pem')}", ca: "${root}" }`
    const { message, advice } = await refusedWith(GATEWAY, `{ url: "${artemis.url}", mode: broker, tls: ${files} }`)
    expect(message).toMatch(/headrace\.(in|again|ctl)\.plant-a-1/)
    expect(message).toContain(`(This gateway is ${GATEWAY}, and shows a certificate of ${OTHER}.)`)
    expect(advice).toContain(`headrace ca token --gateway ${GATEWAY}`)
  })

  test('so is one that the broker does not know, and one without any certificate', async () => {
    const unknown = await refusedWith(UNKNOWN, `{ url: "${artemis.url}", mode: broker, renew_at: "${doorUrl}" }`)
    expect(unknown.message).toContain(`shows a certificate of ${UNKNOWN}`)
    expect(unknown.advice).toContain(`${UNKNOWN} has to be one of its users`)
    const bare = await refusedWith(UNKNOWN, `{ url: "${artemis.url}", mode: broker, tls: { ca: "${root}" } }`)
    expect(bare.message).toContain('shows neither a certificate nor a name')
    expect(bare.advice).toContain('headrace enroll')
  })

  test('one whose certificate has ended renews it where it may, and everything of it is in its partitions, once', async () => {
    await reopenDoor(SHORT_LIFE)
    await enroll(GATEWAY)
    await reopenDoor()
    const before = leafOf(GATEWAY)
    await until('its certificate has ended', () => Date.now() > before.validToDate.getTime(), LIMIT_MS)
    plant.edge(GATEWAY).start()
    const isThrough = async () => settledOf(await plant.edgeStatus(GATEWAY)).every(settled => settled >= RECORDS)
    await until('the broker has everything', async () => (await plant.edgeStatus(GATEWAY)) && isThrough(), LIMIT_MS)
    expect(leafOf(GATEWAY).fingerprint256).not.toBe(before.fingerprint256)
    const all = await plant.expectation()
    const expectation = { sources: new Map([...all.sources].filter(([key]) => key.startsWith(`${GATEWAY}/`))) }
    const verdict = await until(
      'the log has everything',
      async () => {
        const found = check(expectation, await consumeTopic(inject('kafkaBootstrap').split(','), TOPIC))
        return found.records >= SOURCES * RECORDS ? found : undefined
      },
      LIMIT_MS,
    )
    expect(verdict).toMatchObject({
      records: SOURCES * RECORDS,
      lost: 0,
      repeated: 0,
      outOfOrder: 0,
      declaredLost: 0,
      findings: [],
    })
    expect((await plant.edgeStatus(GATEWAY))?.alarms).toEqual([])
  })

  test('who was sent away is told so, though the broker lets it in', async () => {
    await ran('ca', 'revoke', GATEWAY, '--config', at('door.yaml'))
    await plant.edge(GATEWAY).kill9()
    plant.edge(GATEWAY).start()
    const told = await until('it is told', () => refusalOf(GATEWAY), LIMIT_MS)
    expect(told.message).toContain(`${GATEWAY} was revoked`)
  })
})
