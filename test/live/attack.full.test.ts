import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { peakRssMib, rssMib } from '../bench/process-figures.ts'
import { check } from '../fault/checker.ts'
import { Installation, TOPIC } from '../fault/installation.ts'
import {
  AMQP_HEADER,
  attach,
  begin,
  COSTLY,
  costlyOpen,
  HostilePeer,
  open,
  SASL_HEADER,
  transfer,
} from '../fuzz/harness/hostile-peer.ts'
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

const LINKED = [AMQP_HEADER, open(), begin(), attach({ handle: 0, name: 'a' })]
/** What a peer says before it falls silent: each keeps as much as it can for as long as it is let. */
const ATTACKS: readonly (readonly Buffer[])[] = [
  ...Object.values(COSTLY).map(value => [AMQP_HEADER, costlyOpen(value)]),
  [AMQP_HEADER, Buffer.from([0x7f, 0xff, 0xff, 0xff, 2, 0, 0, 0])],
  [AMQP_HEADER, open(), Buffer.from([0, 1, 0xff, 0xff, 2, 0, 0, 0]), Buffer.alloc(120_000)],
  [SASL_HEADER],
  [...LINKED, transfer({ handle: 0, id: 0, more: true }, Buffer.alloc(60_000)), ...Array<Buffer>(60).fill(more(60_000))],
  [...LINKED, transfer({ handle: 0, id: 0, more: true }, Buffer.alloc(1)), ...Array<Buffer>(10_000).fill(more(1))],
  [AMQP_HEADER, open(), ...Array.from({ length: 255 }, (_, channel) => begin(channel))],
  [
    ...LINKED,
    ...Array.from({ length: 500 }, (_, handle) =>
      attach({ handle: handle + 1, name: `l${handle}`, address: null, receives: true }),
    ),
  ],
]

function more(bytes: number): Buffer {
  return transfer({ handle: 0, more: true }, Buffer.alloc(bytes))
}

let installation: Installation

beforeAll(async () => {
  installation = await Installation.create({
    brokers: inject('kafkaBootstrap').split(','),
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
  const consumed = await consumeTopic(inject('kafkaBootstrap').split(','), TOPIC)
  expect(check(await installation.expectation(), consumed)).toMatchObject({ lost: 0, repeated: 0, outOfOrder: 0, findings: [] })
})
