import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { peakRssMib, rssMib } from '../bench/process-figures.ts'
import { check } from '../fault/checker.ts'
import { Installation, TOPIC } from '../fault/installation.ts'
import { ATTACKS } from '../fuzz/harness/attacks.ts'
import { HostilePeer } from '../fuzz/harness/hostile-peer.ts'
import { KafkaCluster } from '../support/kafka/cluster.ts'
import { consumeTopic } from '../support/kafka/consume.ts'
import { SeededRandom, seedOfRun } from '../support/random.ts'
import { until } from '../support/until.ts'

const SOURCES = 10
const RECORDS = 5_000
const HOSTILE_PEERS = 200
/** Peers that are let run before the records have to be there, at least. */
const ATTACKS_MIN = 600
/** What the core may gain over what it has with a gateway and without attackers, MiB: its bound for what is not ended is 32, the rest is garbage that waits. */
const GAIN_MIB_MAX = 400

let installation: Installation
/** Of its own: in one in which another gateway has had this name, its sources would be frozen. */
let kafka: KafkaCluster

beforeAll(async () => {
  kafka = await KafkaCluster.start()
  installation = await Installation.create({
    brokers: kafka.addresses,
    sources: SOURCES,
    records: RECORDS,
    recordsPerSecond: 250,
    seed: 5,
    cores: 1,
  })
  for (const core of installation.cores) core.start()
  installation.edge.start()
  await until('records flow', async () => (await installation.status())?.sources.every(source => source.settled > 0), 90_000)
})

afterAll(async () => {
  await installation?.end()
  await kafka?.stop()
})

test(`under ${HOSTILE_PEERS} hostile peers at once a core keeps its memory, and takes every record of an honest gateway`, async () => {
  const random = new SeededRandom(seedOfRun('attack'))
  const port = Number(/:(\d+)" }/.exec(readFileSync(join(installation.folder, 'core-0.yaml'), 'utf8'))?.[1])
  const pid = installation.cores[0]?.pid ?? 0
  const before = rssMib(pid)
  const peers = new Set<HostilePeer>()
  let attacks = 0
  let over = false
  const attackAgainAndAgain = async () => {
    while (!over) {
      const peer = new HostilePeer(port, { reads: random.next() < 0.5 })
      peers.add(peer)
      attacks += 1
      await peer.write(...random.pick(ATTACKS))
      await peer.gone
      peers.delete(peer)
    }
  }
  const attackers = Array.from({ length: HOSTILE_PEERS }, attackAgainAndAgain)
  await until('there were attacks enough', () => attacks >= ATTACKS_MIN, 120_000)
  await until('all records are in the log', () => installation.isDrained(), 120_000)
  over = true
  for (const peer of peers) peer.end()
  await Promise.all(attackers)
  expect(installation.cores[0]?.running).toBe(true)
  const peak = peakRssMib(pid)
  console.log(`${attacks} attacks of ${HOSTILE_PEERS} peers: ${before} MiB before, ${peak} MiB at the most`)
  expect(peak - before).toBeLessThan(GAIN_MIB_MAX)
  const consumed = await consumeTopic(kafka.addresses, TOPIC)
  expect(check(await installation.expectation(), consumed)).toMatchObject({ lost: 0, repeated: 0, outOfOrder: 0, findings: [] })
})
