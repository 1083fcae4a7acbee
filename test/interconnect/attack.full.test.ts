import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { Authority } from '../../src/ca/authority.ts'
import { openKafkaLog } from '../../src/log/kafka/kafka-log.ts'
import type { Claim, Log } from '../../src/log/log.ts'
import { visitRecords } from '../../src/record/batch-reader.ts'
import { pause, systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { cpuSeconds, peakRssMib, rssMib } from '../bench/process-figures.ts'
import { nowMs, percentile } from '../bench/watch-log.ts'
import { check } from '../fault/checker.ts'
import { TestAuthority } from '../support/certificates.ts'
import { headrace } from '../support/headrace-process.ts'
import { issueTo } from '../support/issued.ts'
import { consumeTopic } from '../support/kafka/consume.ts'
import { seedOfRun } from '../support/random.ts'
import { until } from '../support/until.ts'
import type { AttackReport, AttackSetup } from './attackers.ts'
import { Plant } from './plant.ts'

const TOPIC = 'attacked'
const GATEWAYS = Array.from({ length: 20 }, (_, index) => `plant-${index + 1}`)
const RECORDS_PER_SECOND = 10
/** More than they get round to. */
const RECORDS = 100_000
const PEERS = 1_000
const ADDRESSES = 50
/** How long the gateways are looked at before the attack, under it and after it. */
const PHASE_MS = { before: 15_000, under: 20_000, after: 15_000 }
/** What has piled up while twenty processes started is gone when records come so soon again, ms. */
const CALM_MS = 500
/** Attacks that have to have begun before it counts as one. */
const ATTACKS_MIN = 2_000
/** What the core may gain, MiB: its bound for what is not ended is 32; the rest is 256 handshakes, and garbage that waits. */
const GAIN_MIB_MAX = 400
const LIMIT_MS = 180_000
const ATTACKERS = fileURLToPath(new URL('./attackers.ts', import.meta.url))

const seed = seedOfRun('attack')
/** From the record's own time until a consumer of Kafka has it, ms. */
const latencies: number[] = []
const watching = new AbortController()
const brokers = () => inject('kafkaBootstrap').split(',')
let plant: Plant
let log: Log
let watch: Promise<void> = Promise.resolve()
let attackers: ChildProcess | undefined
let port = 0
let foreign: AttackSetup['foreign']

beforeAll(async () => {
  process.setMaxListeners(2 * GATEWAYS.length)
  port = await freePort()
  plant = new Plant({
    log: `{ kafka: { brokers: ${JSON.stringify(brokers())} } }`,
    ingress: () => `{ listen: "amqps://127.0.0.1:${port}" }\nca: {}`,
    uplink: () => `{ url: "amqps://127.0.0.1:${port}" }`,
    cores: 1,
    gateways: GATEWAYS,
    sources: 1,
    records: RECORDS,
    recordsPerSecond: RECORDS_PER_SECOND,
    seed: seed % 1_000,
    topic: TOPIC,
  })
  const made = await headrace(['ca', 'init', '--config', join(plant.folder, 'core-0.yaml'), '--host', '127.0.0.1'])
  expect(made.code, made.stderr).toBe(0)
  const folder = join(plant.folder, 'core-0', 'ca')
  const authority = Authority.open({ folder, clock: systemClock, lifeMs: 86_400_000, graceMs: 0 })
  for (const gateway of GATEWAYS) await issueTo(authority, gateway, join(plant.folder, gateway, 'edge', 'identity.pem'))
  await issueTo(authority, 'stolen', join(plant.folder, 'stolen', 'identity.pem'))
  authority.close()
  // Now, since keys are made in this thread, which later measures.
  foreign = new TestAuthority(plant.folder).issue('plant-1')
  plant.cores[0]?.start()
  for (const gateway of GATEWAYS) plant.edge(gateway).start()
  log = await openKafkaLog({ brokers: brokers(), client_id: 'observer' }, { clock: systemClock, log: silentLogger })
  const claims = async () => (await log.claims()).filter(({ topic }) => topic === TOPIC)
  const found = await until(
    'every gateway has its partition',
    async () => {
      const all = await claims()
      return all.length === GATEWAYS.length && all
    },
    LIMIT_MS,
  )
  watch = observe(found)
  await until('every gateway sends', async () => (await ends(found)).every(next => next > 0), LIMIT_MS)
}, 300_000)

afterAll(async () => {
  watching.abort()
  await watch
  attackers?.kill('SIGKILL')
  await log?.close()
  await plant?.end()
})

const ends = async (claims: readonly Claim[]) => [...(await log.ends(claims)).values()].map(({ next }) => next)

/** Reads all partitions as any consumer would, by fetches that wait, and notes how old each record was when it was there. */
async function observe(claims: readonly Claim[]): Promise<void> {
  const at = await log.ends(claims)
  const from = new Map(claims.map(claim => [claim.partition, at.get(claim)?.next ?? 0]))
  while (!watching.signal.aborted) {
    const cursors = claims.map(({ topic, partition }) => ({ topic, partition, from: from.get(partition) ?? 0 }))
    const fetched = await log.fetch(cursors, { maxBytes: 2 ** 20, waitMs: 500, signal: watching.signal }).catch(cause => {
      if (watching.signal.aborted) return []
      throw cause
    })
    const now = nowMs()
    for (const { partition, batches } of fetched) {
      for (const batch of batches) {
        visitRecords(batch, ({ sequence, timeMs }) => {
          if (sequence < (from.get(partition) ?? 0)) return
          from.set(partition, sequence + 1)
          latencies.push(now - timeMs)
        })
      }
    }
  }
}

/** What the gateways' records take for a while, and until `isOver`, and what the core does for it. */
async function measured(leastMs: number, isOver: () => boolean = () => true) {
  const pid = plant.cores[0]?.pid ?? 0
  latencies.length = 0
  const cpu = cpuSeconds(pid)
  const fromMs = performance.now()
  await pause(systemClock, leastMs)
  await until('there were attacks enough', isOver, LIMIT_MS)
  const forMs = performance.now() - fromMs
  return {
    seconds: Math.round(forMs / 1_000),
    records: latencies.length,
    p50_ms: Math.round(percentile(latencies, 0.5)),
    p99_ms: Math.round(percentile(latencies, 0.99)),
    max_ms: Math.round(Math.max(...latencies)),
    core_cpu_percent: Math.round(((cpuSeconds(pid) - cpu) / forMs) * 100_000),
    core_mib: rssMib(pid),
  }
}

function attack(): ChildProcess {
  const identity = join(plant.folder, 'stolen', 'identity.pem')
  const setup: AttackSetup = {
    port,
    peers: PEERS,
    seed,
    addresses: ADDRESSES,
    foreign,
    stolen: { cert: identity, key: identity },
  }
  return fork(ATTACKERS, [JSON.stringify(setup)])
}

test(`under ${PEERS} hostile connections twenty honest gateways lose nothing`, async () => {
  const core = plant.cores[0]
  await until(
    'what had piled up is gone',
    async () => {
      latencies.length = 0
      await pause(systemClock, 3_000)
      return latencies.length > 0 && percentile(latencies, 0.99) < CALM_MS
    },
    LIMIT_MS,
  )
  const before = await measured(PHASE_MS.before)
  let attacks: AttackReport = {}
  const total = () => Object.values(attacks).reduce((sum, count) => sum + count, 0)
  attackers = attack()
  attackers.on('message', (report: AttackReport) => {
    attacks = report
  })
  const under = await measured(PHASE_MS.under, () => total() >= ATTACKS_MIN)
  // One that was cut off comes back through the crowd.
  const [returning = ''] = GATEWAYS
  await plant.edge(returning).kill9()
  plant.edge(returning).start()
  const claim = await log.claimOf({ gateway: returning, source: 'source-0' })
  const next = claim ? (await log.end(claim)).next : 0
  await until('it is back', async () => claim && (await log.end(claim)).next > next, LIMIT_MS)
  const over = once(attackers, 'exit')
  attackers.send('stop')
  await over
  const after = await measured(PHASE_MS.after)
  const calm = { p50_ms: (before.p50_ms + after.p50_ms) / 2, p99_ms: (before.p99_ms + after.p99_ms) / 2 }
  const ratio = { p50: round(under.p50_ms / calm.p50_ms), p99: round(under.p99_ms / calm.p99_ms) }
  const peak = peakRssMib(core?.pid ?? 0)
  console.log(JSON.stringify({ before, under, after, ratio, peak_mib: peak, attacks: { total: total(), ...attacks } }, null, 2))
  expect(core?.running).toBe(true)
  expect(peak - before.core_mib).toBeLessThan(GAIN_MIB_MAX)
  const claims = (await log.claims()).filter(({ topic }) => topic === TOPIC)
  const codes = await Promise.all(GATEWAYS.map(gateway => plant.edge(gateway).stop(LIMIT_MS)))
  expect(codes).toEqual(GATEWAYS.map(() => 0))
  const at = await log.ends(claims)
  const lying = claims.map(({ source, topic, partition }) => {
    const [end] = [...at].filter(([place]) => place.topic === topic && place.partition === partition).map(([, { next }]) => next)
    return { source, partition, records: end ?? 0 }
  })
  const records = lying.reduce((sum, each) => sum + each.records, 0)
  const verdict = check(plant.expectedOf(lying), await consumeTopic(brokers(), TOPIC))
  expect(verdict).toMatchObject({ records, lost: 0, repeated: 0, outOfOrder: 0, declaredLost: 0, findings: [] })
  // What its log may say of strangers is bounded too.
  expect(readFileSync(core?.logPath ?? '', 'utf8').split('\n').length).toBeLessThan(2_000)
}, 600_000)

function round(ratio: number): number {
  return Math.round(ratio * 100) / 100
}
