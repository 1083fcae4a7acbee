import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import type { Log } from '../../src/log/log.ts'
import { readOffsets } from '../../src/reader/batch/adopt.ts'
import { Positions } from '../../src/reader/batch/positions.ts'
import { Ledger } from '../../src/reader/ledger.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { KafkaCluster } from '../support/kafka/cluster.ts'
import { until } from '../support/until.ts'
import { bySource, KafkaWorld, openLogAt, TIME_MS, valuesOf } from './kafka-world.ts'

/** Connect and MirrorMaker take half a minute to start on a busy machine. */
const SERVICE_LIMIT_MS = 120_000

let kafka: KafkaCluster
let log: Log
let world: KafkaWorld
beforeAll(async () => {
  kafka = await KafkaCluster.at(inject('kafkaBootstrap'))
  log = await openLogAt(kafka.addresses)
})
afterAll(async () => {
  await log?.close()
  await kafka?.stop()
})
afterEach(() => world.end())

async function consumeInGroup(group: string, topic: string, count: number): Promise<string[]> {
  const { stdout, stderr } = await kafka.tool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
    ...['--bootstrap-server', kafka.bootstrap, '--topic', topic, '--group', group, '--max-messages', String(count)],
    ...['--timeout-ms', '30000', '--command-property', 'auto.offset.reset=earliest'],
  ])
  const lines = stdout.trim().split('\n')
  expect(lines.length, stderr).toBe(count)
  return lines
}

/** Where a group stands, as Kafka's own tool writes it into a file. */
async function exported(group: string, topic: string): Promise<string> {
  const { stdout, stderr } = await kafka.tool('org.apache.kafka.tools.consumer.group.ConsumerGroupCommand', [
    ...['--bootstrap-server', kafka.bootstrap, '--group', group, '--topic', topic],
    ...['--reset-offsets', '--to-current', '--export', '--dry-run'],
  ])
  const lines = stdout.split('\n').filter(line => line.startsWith(`${topic},`))
  expect(lines.length, stdout + stderr).toBeGreaterThan(0)
  return lines.join('\n')
}

/** Partition, offset and lag of a group, as Kafka's own tool shows them. */
async function groupLags(group: string): Promise<(string | undefined)[][]> {
  const { stdout, stderr } = await kafka.tool('org.apache.kafka.tools.consumer.group.ConsumerGroupCommand', [
    ...['--bootstrap-server', kafka.bootstrap, '--describe', '--group', group],
  ])
  const rows = stdout.split('\n').filter(line => line.startsWith(group))
  if (rows.length === 0) throw new Error(stdout + stderr)
  return rows.map(line => line.trim().split(/\s+/)).map(cells => [cells[2], cells[3], cells[5]])
}

describe("Kafka's own Java consumer in a group", () => {
  test('reads each record once over two runs; a batch job that adopts its offsets goes on without a gap or a repeat', async () => {
    world = new KafkaWorld(log, 'others-group')
    await world.lay('a', 100)
    await world.lay('b', 50)
    const first = await consumeInGroup('old-job', world.topic, 90)
    await world.lay('a', 20)
    const second = await consumeInGroup('old-job', world.topic, 40)

    const job = world.job()
    await job.move(async (claims, positions) => positions.set(await positions.ofGroup('old-job', claims), claims))
    expect((await groupLags(job.group)).map(([, , lag]) => Number(lag)).reduce((sum, lag) => sum + lag, 0)).toBe(40)
    const { lines } = await world.run(job)
    expect(bySource([...first, ...second, ...lines])).toEqual([...valuesOf('a', 0, 120), ...valuesOf('b', 0, 50)])

    await world.lay('b', 7)
    expect((await groupLags(job.group)).sort()).toEqual([
      ['0', '120', '0'],
      ['1', '50', '7'],
    ])
  })
})

test('kcat reads value, key, time and headers of each record', async () => {
  world = new KafkaWorld(log, 'others-kcat')
  await world.lay('a', 5)
  const format = '%p %o %T %k %h %s\\n'
  const { stdout, stderr, error } = spawnSync(
    'kcat',
    ['-b', kafka.bootstrap, '-C', '-t', world.topic, '-o', 'beginning', '-e', '-q', '-f', format],
    { encoding: 'utf8', timeout: 60_000 },
  )
  if (error) throw error
  expect(stdout.trim().split('\n'), stderr).toEqual(
    Array.from({ length: 5 }, (_, index) => `0 ${index} ${TIME_MS + index} others-kcat/a seq=${index} a ${index}`),
  )
})

function properties(path: string, values: Readonly<Record<string, string | number | boolean>>): string {
  const lines = Object.entries(values).map(([key, value]) => `${key}=${value}`)
  writeFileSync(path, `${lines.join('\n')}\n`)
  return path
}

test('a Kafka Connect file sink writes each record once', async () => {
  world = new KafkaWorld(log, 'others-connect')
  await world.lay('a', 200)
  await world.lay('b', 100)
  const text = 'org.apache.kafka.connect.storage.StringConverter'
  const worker = properties(world.path('worker.properties'), {
    'bootstrap.servers': kafka.bootstrap,
    'key.converter': text,
    'value.converter': text,
    'offset.storage.file.filename': world.path('offsets'),
    'plugin.discovery': 'service_load',
    listeners: `http://127.0.0.1:${await freePort()}`,
  })
  const sink = properties(world.path('sink.properties'), {
    name: 'file-sink',
    'connector.class': 'org.apache.kafka.connect.file.FileStreamSinkConnector',
    'tasks.max': 2,
    file: world.path('sunk'),
    topics: world.topic,
    'consumer.override.auto.offset.reset': 'earliest',
  })
  const connect = kafka.service('org.apache.kafka.connect.cli.ConnectStandalone', [worker, sink], world.path('connect.log'))
  const lines = () => (existsSync(world.path('sunk')) ? world.read('sunk').trim().split('\n') : [])
  await until(
    'the sink has all',
    () => {
      if (connect.exitCode !== null)
        throw new Error(`Connect ended:\n${readFileSync(world.path('connect.log'), 'utf8').slice(-3_000)}`)
      return lines().length >= 300
    },
    SERVICE_LIMIT_MS,
  )
  connect.kill('SIGKILL')
  expect(bySource(lines())).toEqual([...valuesOf('a', 0, 200), ...valuesOf('b', 0, 100)])
})

test('a topic that MirrorMaker 2 copies to a second broker: the batch job goes on there where it was, with its ledger or with the offsets of its group', async () => {
  world = new KafkaWorld(log, 'others-mirror')
  const second = await KafkaCluster.start()
  let there: Log | undefined
  try {
    await world.lay('a', 100)
    await world.lay('b', 30)
    const { lines: before } = await world.run()
    await world.lay('a', 60)
    // The registry's topic there is made by a core, with the settings that it needs.
    await (await openLogAt(second.addresses)).close()
    const mirror = second.service(
      'org.apache.kafka.connect.mirror.MirrorMaker',
      [
        properties(world.path('mirror.properties'), {
          clusters: 'first,second',
          'first.bootstrap.servers': kafka.bootstrap,
          'second.bootstrap.servers': second.bootstrap,
          'first->second.enabled': true,
          'second->first.enabled': false,
          'first->second.topics': 'headrace.claims,others-mirror',
          'replication.policy.class': 'org.apache.kafka.connect.mirror.IdentityReplicationPolicy',
          'replication.factor': 1,
          'checkpoints.topic.replication.factor': 1,
          'heartbeats.topic.replication.factor': 1,
          'offset-syncs.topic.replication.factor': 1,
          'offset.storage.replication.factor': 1,
          'status.storage.replication.factor': 1,
          'config.storage.replication.factor': 1,
          'dedicated.mode.enable.internal.rest': false,
        }),
      ],
      world.path('mirror.log'),
    )
    const ends = async () => {
      if (mirror.exitCode !== null) throw new Error(`MirrorMaker ended:\n${world.read('mirror.log').slice(-3_000)}`)
      there ??= await openLogAt(second.addresses)
      const claims = (await there.claims()).filter(claim => claim.topic === world.topic)
      const found = claims.length === 2 ? await there.ends(claims).catch(() => undefined) : undefined
      return claims.map(claim => found?.get(claim)?.next)
    }
    await until('both partitions are there', async () => String(await ends()) === '160,30', SERVICE_LIMIT_MS)
    if (!there) throw new Error('the second log was never opened')
    const elsewhere = new Ledger(world.path('elsewhere.db'))
    const claims = (await there.claims()).filter(claim => claim.topic === world.topic)
    const { name } = world.job().definition
    const positions = new Positions(name, { log: there, ledger: elsewhere, logger: silentLogger })
    await positions.set(readOffsets(await exported(positions.group, world.topic), claims), claims)
    const { lines: adopted } = await world.run(world.job(there, elsewhere))
    elsewhere.close()
    expect(adopted).toEqual(valuesOf('a', 100, 160))
    const { lines: after } = await world.run(world.job(there))
    expect(bySource([...before, ...after])).toEqual([...valuesOf('a', 0, 160), ...valuesOf('b', 0, 30)])
    expect(after).toEqual(valuesOf('a', 100, 160))
  } finally {
    await there?.close()
    await second.stop()
  }
})
