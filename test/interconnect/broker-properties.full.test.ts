import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import rhea, { type ConnectionOptions, type EventContext } from 'rhea'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { Artemis, type BrokerTls } from '../support/artemis/artemis.ts'
import { TestAuthority } from '../support/certificates.ts'
import { until } from '../support/until.ts'
import { Plant } from './plant.ts'

const GATEWAY = 'plant-a-1'
/** Has a certificate, and no queue of its own. */
const OTHER = 'plant-a-2'
const RECORDS = 500
const LIMIT_MS = 150_000

/** What deploy/kubernetes/amq.yaml has for a broker that an operator makes. */
function shippedProperties(): readonly string[] {
  const file = readFileSync(new URL('../../deploy/kubernetes/amq.yaml', import.meta.url), 'utf8')
  return z.looseObject({ spec: z.looseObject({ brokerProperties: z.array(z.string()) }) }).parse(parse(file)).spec
    .brokerProperties
}

/** Escaped as a file of properties does not keep it: the broker cannot use it, and says so nowhere but in its status. */
const WRONG = 'addressSettings.headrace\\.#.maxDeliveryAttempts=-1'
/** For the question of the test. */
const MAY_ASK = ['send', 'manage'].map(verb => `securityRoles."activemq.management"."headrace-core".${verb}=true`)

const brokerStatus = z.looseObject({
  configuration: z.looseObject({
    properties: z.record(z.string(), z.looseObject({ errors: z.array(z.looseObject({ value: z.string() })).optional() })),
  }),
})

/** What the broker says of its configuration, over its management address. */
function statusOf(port: number, { cert, key, ca }: BrokerTls): Promise<string> {
  const [certificate, privateKey, authority] = [cert, key, ca].map(file => readFileSync(file, 'utf8'))
  const container = rhea.create_container()
  const tls = { cert: certificate, key: privateKey, ca: authority, servername: 'localhost' }
  const at = { host: '127.0.0.1', port, transport: 'tls', reconnect: false, enable_sasl_external: true } as const
  const connection = container.connect({ ...at, ...tls } as ConnectionOptions)
  const answer = new Promise<string>((resolve, reject) => {
    container.on('receiver_open', ({ receiver }: EventContext) => {
      const asked = { _AMQ_ResourceName: 'broker', _AMQ_Attribute: 'Status' }
      const sender = connection.open_sender('activemq.management')
      sender.once('sendable', () => {
        sender.send({ reply_to: String(receiver?.source.address), application_properties: asked, body: '[]' })
      })
    })
    container.on('message', ({ message }: EventContext) => resolve(String(message?.body)))
    for (const event of ['disconnected', 'connection_error', 'sender_error', 'receiver_error'])
      container.on(event, (context: EventContext) => reject(context.error ?? context.sender?.error ?? context.receiver?.error))
  })
  connection.open_receiver({ source: { dynamic: true, address: '' } })
  return answer.finally(() => connection.close())
}

describe('through a broker that has the properties which are shipped for a cluster', () => {
  const made = mkdtempSync(join(tmpdir(), 'headrace-broker-properties-'))
  let artemis: Artemis
  let plant: Plant
  let core: BrokerTls

  beforeAll(async () => {
    const authority = new TestAuthority(made)
    const tlsOf = (name: string) => {
      const { cert, key } = authority.issue(name)
      return { cert, key, ca: authority.ca }
    }
    artemis = await Artemis.create(tlsOf('broker'), [...shippedProperties(), ...MAY_ASK, WRONG])
    core = tlsOf('headrace-core')
    artemis.admit(OTHER)
    await artemis.start()
    plant = new Plant({
      log: '{ sqlite: {} }',
      ingress: () => `{ connect: "${artemis.url}", mode: broker, tls: ${JSON.stringify(core)} }`,
      uplink: gateway => `{ url: "${artemis.url}", mode: broker, tls: ${JSON.stringify(tlsOf(gateway))} }`,
      ...{ cores: 1, gateways: [GATEWAY, OTHER], sources: 2, records: RECORDS, recordsPerSecond: 200, seed: 7 },
    })
    plant.cores[0]?.start()
  }, 400_000)

  afterAll(async () => {
    await plant?.end()
    await artemis?.stop()
    rmSync(made, { recursive: true, force: true })
  })

  test('a gateway with its certificate hands everything over, and the core has it', async () => {
    plant.edge(GATEWAY).start()
    const settled = async () => (await plant.edgeStatus(GATEWAY))?.sources.map(each => each.settled)
    await until('the broker has everything', async () => (await settled())?.every(each => each >= RECORDS), LIMIT_MS)
    const ends = async () => ((await plant.coreStatus(0)) as unknown as { sources: { next: number }[] } | undefined)?.sources
    await until(
      'the core has everything',
      async () => (await ends())?.filter(({ next }) => next === RECORDS).length === 2,
      LIMIT_MS,
    )
  }, 400_000)

  test('the broker can use every property that is shipped, and says so of one that it cannot', async () => {
    const [text = ''] = z.tuple([z.string()]).parse(JSON.parse(await statusOf(artemis.port, core)))
    const said = brokerStatus.parse(JSON.parse(text)).configuration.properties['broker.properties']?.errors
    expect(said?.map(({ value }) => value)).toEqual(['addressSettings.headrace.#.maxDeliveryAttempts=-1'])
  })

  test('one that has no queues of its own is refused', async () => {
    plant.edge(OTHER).start()
    const refusal = async () => (await plant.edgeStatus(OTHER))?.alarms.find(({ code }) => code === 'link_refused')
    const { message } = await until('it is told', refusal, LIMIT_MS)
    expect(message).toMatch(/headrace\.(in|again|ctl)\.plant-a-2/)
  }, 400_000)
})
