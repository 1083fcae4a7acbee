import type { Connection } from '../../src/amqp/amqp.ts'
import { listen } from '../../src/amqp/listen.ts'
import { identityRule } from '../../src/ingress/identity.ts'
import { Ingress } from '../../src/ingress/ingress.ts'
import { openKafkaLog } from '../../src/log/kafka/kafka-log.ts'
import type { Log } from '../../src/log/log.ts'
import { readRange } from '../../src/log/read-range.ts'
import { decodeBatch } from '../../src/record/batch-reader.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { MemoryLog } from '../support/memory-log.ts'
import { type CoresCommand, type CoresReport, type CoresSetup, FLEET_TOPIC } from './fleet-messages.ts'

const RANGES_AT_ONCE = 500
const READ_BYTES = 8 * 2 ** 20
/** Of each core: all of the largest fleet, where the other is away. */
const CONNECTIONS_MAX = 10_000

/** Openings that are before a log at the same moment: each asks for the ends of several sources at once. */
const openings = { now: 0, most: 0 }

function counted<AnyLog extends Log>(log: AnyLog): AnyLog {
  const ends = log.ends.bind(log)
  log.ends = async places => {
    const isOpening = places.length > 1
    if (isOpening) openings.now += 1
    openings.most = Math.max(openings.most, openings.now)
    try {
      return await ends(places)
    } finally {
      if (isOpening) openings.now -= 1
    }
  }
  return log
}

/** Two ingresses in a process of their own, so that what they cost can be seen: before one Kafka, each with a log of its own, or the model of a log. */
const { ports, brokers } = JSON.parse(process.argv[2] ?? '{}') as CoresSetup
const memory = counted(new MemoryLog(systemClock))

async function openLog(): Promise<Log> {
  if (!brokers) return memory
  return counted(await openKafkaLog({ brokers: [...brokers], client_id: 'fleet' }, { clock: systemClock, log: silentLogger }))
}

let logs: Log[] = []
let ingresses: Ingress[] = []

async function start(): Promise<void> {
  logs = await Promise.all(ports.map(openLog))
  ingresses = logs.map((log, index) => {
    const port = ports[index]
    const name = `core-${index}`
    const url = `amqp://127.0.0.1:${port}`
    return new Ingress({
      name,
      log,
      listen: handlers =>
        listen(
          { url, containerId: name, connectionsMax: CONNECTIONS_MAX, clock: systemClock, log: silentLogger },
          { ...handlers, onConnection },
        ),
      mayWrite: identityRule('optional'),
      clock: systemClock,
      random: Math.random,
      logger: silentLogger,
      alarms: new Alarms(systemClock),
    })

    function onConnection(connection: Connection): void {
      connections.add(connection)
      void connection.closed.then(() => connections.delete(connection))
    }
  })
  for (const ingress of ingresses) await ingress.start()
}

const connections = new Set<Connection>()

async function report(): Promise<CoresReport> {
  globalThis.gc?.()
  const { rss, heapUsed } = process.memoryUsage()
  const { records, misplaced } = logs[0] ? await lies(logs[0]) : { records: 0, misplaced: 0 }
  const open = ingresses.reduce((sum, ingress) => sum + ingress.status().gateways.length, 0)
  const { most } = openings
  openings.most = 0
  return { open, records, rssBytes: rss, heapBytes: heapUsed, openingsAtOnce: most, misplaced }
}

/** What lies in the log, read to its end; `misplaced` are records that are not at the offset of their number. */
async function lies(log: Log): Promise<{ records: number; misplaced: number }> {
  const claims = (await log.claims()).filter(({ topic }) => topic.startsWith(FLEET_TOPIC))
  const ends = await log.ends(claims)
  const ranges = claims.map(claim => ({ ...claim, from: 0, to: ends.get(claim)?.next ?? 0 }))
  const sources = new Map(claims.map(claim => [`${claim.topic} ${claim.partition}`, claim.source.source]))
  let records = 0
  let misplaced = 0
  for (let at = 0; at < ranges.length; at += RANGES_AT_ONCE) {
    for await (const { place, batches } of readRange(log, ranges.slice(at, at + RANGES_AT_ONCE), { maxBytes: READ_BYTES })) {
      const source = sources.get(`${place.topic} ${place.partition}`)
      for (const { sequence, value } of batches.flatMap(batch => decodeBatch(batch))) {
        records += 1
        if (value?.toString() !== `${source}#${sequence}`) misplaced += 1
      }
    }
  }
  return { records, misplaced }
}

process.on('message', (command: CoresCommand) => {
  const act = async () => {
    if (command === 'outage') {
      for (const connection of connections) connection.destroy()
      await Promise.all(ingresses.map(ingress => ingress.stop()))
      if (brokers) await Promise.all(logs.map(log => log.close()))
      ingresses = []
      logs = brokers ? [] : logs
    }
    if (command === 'return') await start()
    process.send?.(await report())
  }
  void act()
})
await start()
process.send?.(await report())
