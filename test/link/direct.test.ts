import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, describe, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { dial } from '../../src/amqp/dial.ts'
import { listen } from '../../src/amqp/listen.ts'
import type { EdgeBuffer } from '../../src/buffer/buffer.ts'
import { openEdgeBuffer } from '../../src/buffer/open.ts'
import { identityRule } from '../../src/ingress/identity.ts'
import { Ingress } from '../../src/ingress/ingress.ts'
import { Link } from '../../src/link/link.ts'
import type { Log } from '../../src/log/log.ts'
import { openSqliteLog } from '../../src/log/sqlite/sqlite-log.ts'
import { decodeBatch } from '../../src/record/batch-reader.ts'
import type { StoredRecord } from '../../src/record/record.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { SeededRandom, seedOfRun } from '../support/random.ts'
import { until } from '../support/until.ts'
import { TcpProxy } from './tcp-proxy.ts'
import { findings } from './world.ts'

const SOURCES = ['source-1', 'source-2', 'source-3']
const EPOCH_MS = 1_767_225_600_000

/** Everything real: buffer on disk, AMQP over TCP through a proxy, ingress, SQLite log; in one process. */
class Machine {
  readonly dir = mkdtempSync(join(tmpdir(), 'headrace-link-'))
  readonly random: SeededRandom
  readonly #ends: (() => Promise<void>)[] = []
  readonly #given = new Map<string, number>()
  log!: Log
  ingress!: Ingress
  proxy!: TcpProxy

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
  }

  async start(): Promise<this> {
    await this.openLog()
    this.ingress = await this.startIngress()
    this.proxy = await TcpProxy.open(this.portOf(this.ingress))
    this.#ends.push(() => this.proxy.close())
    return this
  }

  get logPath(): string {
    return join(this.dir, 'core', 'log.db')
  }

  async openLog(): Promise<void> {
    this.log = await openSqliteLog({ path: this.logPath, clock: systemClock })
    const { log } = this
    this.#ends.push(() => log.close())
  }

  async startIngress(): Promise<Ingress> {
    const url = `amqp://127.0.0.1:${await freePort()}`
    const ingress = new Ingress({
      name: 'core-1',
      log: this.log,
      listen: handlers => listen({ url, containerId: 'core-1', clock: systemClock, log: silentLogger }, handlers),
      mayWrite: identityRule('optional'),
      clock: systemClock,
      random: () => this.random.next(),
      logger: silentLogger,
      alarms: new Alarms(systemClock),
    })
    await ingress.start()
    this.#ends.push(() => ingress.stop())
    return ingress
  }

  portOf(ingress: Ingress): number {
    return Number(new URL(ingress.status().url ?? '').port)
  }

  async startGateway(state = 'edge'): Promise<Running> {
    const alarms = new Alarms(systemClock)
    const buffer = await openEdgeBuffer({
      stateDir: join(this.dir, state),
      gateway: 'gw-1',
      quotaBytes: 64 * 2 ** 20,
      rewindBytes: 16 * 2 ** 20,
      sources: SOURCES.map(source => ({ source, topic: 'topic-1', whenFull: 'block', priority: 0, durabilityMs: 5 })),
      clock: systemClock,
      random: () => this.random.next(),
      log: silentLogger,
      alarms,
      worker: 'inline',
    })
    const link = new Link({
      gateway: 'gw-1',
      buffer,
      connect: () =>
        dial({ url: `amqp://127.0.0.1:${this.proxy.port}`, containerId: 'gw-1', clock: systemClock, log: silentLogger }),
      clock: systemClock,
      random: () => this.random.next(),
      log: silentLogger,
      alarms,
    })
    link.start()
    const stop = async () => {
      await link.stop()
      await buffer.close()
    }
    this.#ends.push(stop)
    return { buffer, link, alarms, stop }
  }

  /** The device gives `count` more records: `<source>#<n>`. */
  give({ buffer }: Running, source: string, count: number): void {
    const from = this.#given.get(source) ?? 0
    this.#given.set(source, from + count)
    for (let index = from; index < from + count; index++) {
      const bytes = Buffer.from(`${source}#${index}`)
      expect(buffer.inlet(source).append(EPOCH_MS + index, bytes, 0, bytes.length)).toBe('taken')
    }
  }

  async records(source: string): Promise<StoredRecord[]> {
    const claim = await this.log.claimOf({ gateway: 'gw-1', source })
    if (!claim) return []
    const records: StoredRecord[] = []
    const { next } = await this.log.end(claim)
    for (let from = 0; from < next; from = records.length) {
      const { topic, partition } = claim
      const [fetched] = await this.log.fetch([{ topic, partition, from }], { maxBytes: 8 * 2 ** 20, waitMs: 0 })
      for (const batch of fetched?.batches ?? []) records.push(...decodeBatch(batch))
    }
    return records
  }

  async values(source: string): Promise<(string | null)[]> {
    return (await this.records(source)).map(({ value }) => value?.toString() ?? null)
  }

  /** Waits until everything that was given is settled. */
  async drained({ buffer }: Running): Promise<void> {
    await until(
      'everything is settled',
      () =>
        buffer
          .outlets()
          .every(outlet => outlet.frozen !== undefined || (outlet.buffered().records === 0 && outlet.settled === outlet.next)),
      15_000,
    )
  }

  /** Nothing lost, nothing twice, nothing out of order. */
  async findings(): Promise<string[]> {
    const found: string[] = []
    for (const source of SOURCES) found.push(...findings(await this.values(source), source, this.#given.get(source) ?? 0))
    return found
  }

  async end(): Promise<void> {
    for (const end of this.#ends.reverse()) await end()
    rmSync(this.dir, { recursive: true })
  }
}

interface Running {
  readonly buffer: EdgeBuffer
  readonly link: Link
  readonly alarms: Alarms
  stop(): Promise<void>
}

let machine: Machine | undefined

afterEach(async () => {
  await machine?.end()
  machine = undefined
})

async function start(seed = 1): Promise<{ machine: Machine; gateway: Running }> {
  machine = await new Machine(seed).start()
  return { machine, gateway: await machine.startGateway() }
}

describe('gateway to log, directly, everything real', () => {
  test('what a device gives lies in its partition at offset = sequence, with key and seq', async () => {
    const { machine, gateway } = await start()
    for (const source of SOURCES) machine.give(gateway, source, 2_500)
    await machine.drained(gateway)
    expect(await machine.findings()).toEqual([])
    const [record] = (await machine.records('source-2')).slice(-1)
    expect(record).toMatchObject({ sequence: 2_499, key: 'gw-1/source-2', timeMs: EPOCH_MS + 2_499 })
    expect(record?.headers.find(({ key }) => key === 'seq')?.value.toString()).toBe('2499')
  })

  test('connections cut in the middle, an ingress started anew, a buffer opened anew', async () => {
    const seed = seedOfRun('direct')
    const { machine, gateway: first } = await start(seed)
    let gateway = first
    for (let round = 0; round < 30; round++) {
      machine.give(gateway, machine.random.pick(SOURCES), machine.random.between(1, 3_000))
      await new Promise(resolve => setTimeout(resolve, machine.random.between(0, 40)))
      if (round % 3 === 1) machine.proxy.cut()
      if (round % 10 === 5) {
        const before = machine.ingress
        machine.ingress = await machine.startIngress()
        machine.proxy.redirect(machine.portOf(machine.ingress))
        await before.stop()
      }
      if (round % 10 === 8) {
        await gateway.stop()
        gateway = await machine.startGateway()
      }
    }
    await machine.drained(gateway)
    expect(await machine.findings()).toEqual([])
  })

  test('a second ingress takes over, and the first one, which still holds batches, does no harm', async () => {
    const { machine, gateway } = await start()
    machine.give(gateway, 'source-1', 5_000)
    await until('the first has it', () => (gateway.buffer.outlet('source-1')?.settled ?? 0) > 0)
    const second = await machine.startIngress()
    machine.proxy.redirect(machine.portOf(second))
    machine.proxy.hold()
    machine.give(gateway, 'source-1', 5_000)
    machine.proxy.cut()
    await machine.drained(gateway)
    expect(second.status().gateways).toMatchObject([{ gateway: 'gw-1' }])
    expect(await machine.findings()).toEqual([])
  })

  test('a log that lost its tail is healed by sending again', async () => {
    const { machine, gateway } = await start()
    for (let round = 0; round < 5; round++) {
      machine.give(gateway, 'source-1', 100)
      await machine.drained(gateway)
    }
    await machine.ingress.stop()
    await machine.log.close()
    const db = new Database(machine.logPath)
    const { first } = db.prepare('SELECT first FROM batches ORDER BY last DESC LIMIT 1 OFFSET 2').get() as { first: number }
    db.prepare('DELETE FROM batches WHERE last >= ?').run(first)
    db.prepare('UPDATE partitions SET next = ? WHERE next > ?').run(first, first)
    db.close()
    await machine.openLog()
    machine.ingress = await machine.startIngress()
    machine.proxy.redirect(machine.portOf(machine.ingress))
    machine.give(gateway, 'source-1', 50)
    await until('it is rewound and sent again', async () => (await machine.values('source-1')).length === 550)
    await machine.drained(gateway)
    expect(await machine.findings()).toEqual([])
  })
})
