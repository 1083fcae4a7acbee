import type { Connection } from '../../src/amqp/amqp.ts'
import { listen } from '../../src/amqp/listen.ts'
import { identityRule } from '../../src/ingress/identity.ts'
import { Ingress } from '../../src/ingress/ingress.ts'
import type { Place } from '../../src/log/log.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { MemoryLog } from '../support/memory-log.ts'

/** What the process of the cores tells when it is asked. */
export interface CoresReport {
  readonly open: number
  readonly records: number
  readonly rssBytes: number
  readonly heapBytes: number
  /** Openings that asked the log at the same time, at the most, since the last report. */
  readonly openingsAtOnce: number
  /** Records that do not lie at the offset that is their number. */
  readonly misplaced: number
}

export type CoresCommand = 'report' | 'outage' | 'return'

/** Counts how many openings are before the log at once. */
class CountingLog extends MemoryLog {
  now = 0
  most = 0

  override async ends(places: readonly Place[]) {
    this.now += 1
    this.most = Math.max(this.most, this.now)
    try {
      return await super.ends(places)
    } finally {
      this.now -= 1
    }
  }
}

/** Two ingresses before the model of a log, in a process of their own, so that what they cost can be seen. */
const ports = process.argv.slice(2).map(Number)
const log = new CountingLog(systemClock)
let ingresses: Ingress[] = []

async function start(): Promise<void> {
  ingresses = ports.map((port, index) => {
    const name = `core-${index}`
    const url = `amqp://127.0.0.1:${port}`
    return new Ingress({
      name,
      log,
      listen: handlers =>
        listen({ url, containerId: name, clock: systemClock, log: silentLogger }, { ...handlers, onConnection }),
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
  const claims = await log.claims()
  let records = 0
  let misplaced = 0
  for (const claim of claims) {
    const values = log.records(claim)
    records += values.length
    const source = claim.source.source
    misplaced += values.filter(({ value }, offset) => value?.toString() !== `${source}#${offset}`).length
  }
  const open = ingresses.reduce((sum, ingress) => sum + ingress.status().gateways.length, 0)
  const { most } = log
  log.most = 0
  return { open, records, rssBytes: rss, heapBytes: heapUsed, openingsAtOnce: most, misplaced }
}

process.on('message', (command: CoresCommand) => {
  const act = async () => {
    if (command === 'outage') {
      for (const connection of connections) connection.destroy()
      await Promise.all(ingresses.map(ingress => ingress.stop()))
    }
    if (command === 'return') await start()
    process.send?.(await report())
  }
  void act()
})
await start()
process.send?.(await report())
