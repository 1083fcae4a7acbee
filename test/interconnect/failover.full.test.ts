import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openSqliteLog } from '../../src/log/sqlite/sqlite-log.ts'
import { decodeBatch } from '../../src/record/batch-reader.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { type ConsumedRecord, check } from '../fault/checker.ts'
import { Artemis, PASSWORD } from '../support/artemis/artemis.ts'
import { BrokerJ } from '../support/qpid/broker-j.ts'
import { until } from '../support/until.ts'
import { Plant, TOPIC } from './plant.ts'

const GATEWAY = 'plant-a-1'
const SOURCES = 4
const RECORDS = 2_000

describe('two brokers that know nothing of each other: Artemis, and Qpid Broker-J', () => {
  let artemis: Artemis
  let brokerJ: BrokerJ
  let plant: Plant

  beforeAll(async () => {
    ;[artemis, brokerJ] = await Promise.all([Artemis.create(), BrokerJ.create(['headrace-core', GATEWAY], PASSWORD)])
    await Promise.all([artemis.start(), brokerJ.start()])
    const urls = JSON.stringify([artemis.url, brokerJ.url])
    const login = (username: string) => `sasl: { username: ${username}, password_file: password }`
    plant = new Plant({
      log: '{ sqlite: {} }',
      ingress: () => `{ connect: ${urls}, mode: broker, ${login('headrace-core')} }`,
      uplink: gateway => `{ urls: ${urls}, mode: broker, ${login(gateway)} }`,
      cores: 1,
      gateways: [GATEWAY],
      sources: SOURCES,
      records: RECORDS,
      recordsPerSecond: 100,
      seed: 11,
    })
    writeFileSync(join(plant.folder, 'password'), `${PASSWORD}\n`)
  })

  afterAll(async () => {
    await plant?.end()
    await artemis?.stop()
    await brokerJ?.stop()
  })

  const core = () => plant.cores[0]
  const settled = async () => (await plant.edgeStatus(GATEWAY))?.sources.reduce((sum, source) => sum + source.settled, 0) ?? 0
  const codes = async () => (await plant.coreStatus(0))?.alarms.map(({ code }) => code)

  test('what died with the one is sent again through the other, and its copies are known when it comes back', async () => {
    core()?.start()
    plant.edge(GATEWAY).start()
    await until('the first takes batches', async () => (await settled()) > 0, 60_000)
    await core()?.kill9()
    const before = await settled()
    await until('the first keeps some that no core has', async () => (await settled()) > before + 200, 60_000)
    await artemis.kill9()
    const then = await settled()
    await until('the gateway goes on at the second', async () => (await settled()) > then + 200, 60_000)
    core()?.start()
    await until('all is handed over', () => plant.isDrained(), 120_000)
    await artemis.start()
    await until(
      'the log has everything',
      async () => {
        const status = (await plant.coreStatus(0)) as { sources?: { next: number }[] } | undefined
        return status?.sources?.filter(({ next }) => next === RECORDS).length === SOURCES
      },
      120_000,
    )
    await until('nothing is missing any more', async () => (await codes())?.length === 0, 60_000)
    const expectation = await plant.expectation()
    expect(await core()?.stop()).toBe(0)
    const verdict = check(expectation, await recordsOf(join(plant.folder, 'core-0', 'core', 'log.db')))
    expect(verdict).toMatchObject({
      records: SOURCES * RECORDS,
      lost: 0,
      repeated: 0,
      outOfOrder: 0,
      declaredLost: 0,
      findings: [],
    })
  }, 400_000)
})

async function recordsOf(path: string): Promise<ConsumedRecord[]> {
  const log = await openSqliteLog({ path, clock: systemClock })
  const records: ConsumedRecord[] = []
  for (const { topic, partition } of await log.claims()) {
    if (topic !== TOPIC) continue
    const { first, next } = await log.end({ topic, partition })
    for (let from = first; from < next; ) {
      const [fetched] = await log.fetch([{ topic, partition, from }], { maxBytes: 2 ** 20, waitMs: 0 })
      for (const bytes of fetched?.batches ?? []) {
        // As the log set it: RecordBatch, baseOffset.
        const base = Number(bytes.readBigInt64BE(0))
        for (const [index, { key, value, headers }] of decodeBatch(bytes).entries()) {
          const texts = Object.fromEntries(headers.map(header => [header.key, header.value.toString()]))
          records.push({ partition, offset: base + index, key, value, headers: texts })
          from = base + index + 1
        }
      }
    }
  }
  await log.close()
  return records
}
