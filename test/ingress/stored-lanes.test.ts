import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import type { ControlMessage } from '../../src/amqp/messages.ts'
import { DeadLetters } from '../../src/ingress/dead-letters.ts'
import { Gates } from '../../src/ingress/gates.ts'
import { SqliteParking } from '../../src/ingress/parking.ts'
import { StoredLanes } from '../../src/ingress/stored-lanes.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { cutBatch } from '../support/batches.ts'
import { MemoryLog } from '../support/memory-log.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

const GATEWAY = 'gw-1'
const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

/** A core behind a broker, before the model of a log, with real parking. */
class Bench {
  readonly clock = new SimulatedClock()
  readonly log = new MemoryLog(this.clock)
  readonly alarms = new Alarms(this.clock)
  readonly asked: ControlMessage[] = []
  readonly folder = mkdtempSync(join(tmpdir(), 'headrace-parking-'))
  /** Messages that the broker was told to forget, in order: `<source> <sequence>`. */
  readonly accepted: string[] = []
  parking: SqliteParking
  lanes: StoredLanes
  mayFill = true
  readonly #maxBytes: number
  #life = new AbortController()

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
    folders.push(this.folder)
    this.parking = this.#open()
    this.lanes = this.#start()
  }

  static async create(sources: readonly string[] = ['source-1'], maxBytes = 2 ** 20): Promise<Bench> {
    const bench = new Bench(maxBytes)
    for (const source of sources) {
      const claim = bench.log.claim({ gateway: GATEWAY, source }, 'topic-1')
      await bench.clock.pass(10)
      await claim
    }
    return bench
  }

  /** The broker gives a message. */
  async give(batch: ReturnType<typeof cutBatch>, changes: Record<string, string | number> = {}): Promise<void> {
    const { sequence, count, source } = batch
    const properties = { gateway: GATEWAY, session: 1, source, sequence, count, ...changes }
    const life = this.#life.signal
    this.lanes.take(GATEWAY, {
      bytes: batch.bytes,
      properties,
      get alive() {
        return !life.aborted
      },
      accept: () => void this.accepted.push(`${source} ${sequence}`),
    })
    await this.clock.pass(20)
  }

  /** The core is killed, and started again on its disk. */
  restart(): void {
    this.#life.abort()
    this.parking.close()
    this.#life = new AbortController()
    this.parking = this.#open()
    this.lanes = this.#start()
    this.lanes.restore()
  }

  async values(source = 'source-1'): Promise<(string | null)[]> {
    const claim = await this.log.claimOf({ gateway: GATEWAY, source })
    return claim ? this.log.records(claim).map(({ value }) => value?.toString() ?? null) : []
  }

  codes(): string[] {
    return this.alarms.list().map(({ code }) => code)
  }

  aside(): string[] {
    return readdirSync(this.folder, { recursive: true })
      .map(String)
      .filter(name => name.endsWith('.batch'))
  }

  #open(): SqliteParking {
    return new SqliteParking({ folder: this.folder, maxBytes: this.#maxBytes, alarms: this.alarms, logger: silentLogger })
  }

  #start(): StoredLanes {
    const { clock, log, alarms, parking } = this
    const signal = this.#life.signal
    const common = { log, clock, random: () => 0.5, logger: silentLogger, alarms, signal }
    const deadLetters = new DeadLetters({ ...common, writer: { gateway: 'core-1', source: 'headrace-dead' } })
    return new StoredLanes({
      ...common,
      gates: new Gates({ ...common, deadLetters }),
      parking,
      tell: (_gateway, message) => void this.asked.push(message),
      mayFill: () => this.mayFill,
    })
  }
}

const numbers = (from: number, to: number, source = 'source-1') =>
  Array.from({ length: to - from }, (_, index) => `${GATEWAY}/${source}#${from + index}`)
const batch = (sequence: number, count = 10) => cutBatch(sequence, count)

describe('what a broker hands over', () => {
  test('is accepted when it lies in the log, and redeliveries are stored once', async () => {
    const bench = await Bench.create()
    for (const at of [0, 10, 0, 10, 20, 10]) await bench.give(batch(at))
    expect(await bench.values()).toEqual(numbers(0, 30))
    expect(bench.accepted).toHaveLength(6)
    expect(bench.parking.list()).toEqual([])
  })

  test('waits for its missing numbers on disk, lets other sources pass, and asks the gateway for them', async () => {
    const bench = await Bench.create(['source-1', 'source-2'])
    await bench.give(batch(0))
    for (const at of [20, 30, 40]) await bench.give(batch(at))
    await bench.give(cutBatch(0, 10, { key: 'gw-1/source-2', producerId: 1_001 }))
    await bench.clock.pass(500)
    expect(await bench.values()).toEqual(numbers(0, 10))
    expect(await bench.values('source-2')).toEqual(numbers(0, 10, 'source-2'))
    expect(bench.parking.list().map(({ sequence }) => sequence)).toEqual([20, 30, 40])
    expect(bench.accepted).toEqual(['source-1 0', 'source-1 20', 'source-1 30', 'source-1 40', 'source-2 0'])
    expect(bench.asked).toContainEqual({ version: 1, ask: 'again', source: 'source-1', epoch: 0, from: 10, to: 20 })
    expect(bench.codes()).toEqual(['numbers_missing'])
    await bench.give(batch(10))
    await bench.clock.pass(3_000)
    expect(await bench.values()).toEqual(numbers(0, 50))
    expect(bench.parking.list()).toEqual([])
    expect(bench.codes()).toEqual([])
  })

  test('is still there after kill -9 of the core, though the broker has forgotten it', async () => {
    const bench = await Bench.create()
    await bench.give(batch(10))
    await bench.give(batch(20))
    await bench.clock.pass(500)
    expect(bench.accepted).toEqual(['source-1 10', 'source-1 20'])
    bench.restart()
    await bench.clock.pass(2_000)
    await bench.give(batch(0))
    await bench.clock.pass(3_000)
    expect(await bench.values()).toEqual(numbers(0, 30))
  })

  test('is asked for until it comes: a request may be lost', async () => {
    const bench = await Bench.create()
    await bench.give(batch(10))
    await bench.clock.pass(30_000)
    expect(bench.asked.length).toBeGreaterThan(2)
    expect(new Set(bench.asked.map(asked => JSON.stringify(asked))).size).toBe(1)
  })

  test('gets a placeholder in the place of numbers that the gateway has no more, and not before every broker was read', async () => {
    const bench = await Bench.create()
    bench.mayFill = false
    await bench.give(batch(0))
    await bench.give(batch(20))
    await bench.clock.pass(500)
    await bench.give(batch(10), { kind: 'not_kept' })
    await bench.clock.pass(10_000)
    expect(await bench.values()).toEqual(numbers(0, 10))
    bench.mayFill = true
    await bench.clock.pass(10_000)
    expect(await bench.values()).toEqual([...numbers(0, 10), ...Array<null>(10).fill(null), ...numbers(20, 30)])
  })

  test('is held, and neither accepted nor lost, where parking is full', async () => {
    const bench = await Bench.create(['source-1'], 2_000)
    for (let at = 10; at < 100; at += 10) await bench.give(batch(at))
    await bench.clock.pass(5_000)
    expect(bench.accepted.length).toBeLessThan(9)
    expect(bench.codes()).toContain('parking_full')
    await bench.give(batch(0))
    await bench.clock.pass(10_000)
    expect(await bench.values()).toEqual(numbers(0, 100))
    expect(bench.accepted).toHaveLength(10)
  })

  test('of a frozen source that parking had no room for took all credit of its queue for good: nothing tried again when there was room', async () => {
    const bench = await Bench.create(['source-1', 'source-2'], 2_000)
    const waiting = (sequence: number) => cutBatch(sequence, 10, { key: 'gw-1/source-2', producerId: 1_001 })
    for (let at = 10; at < 100; at += 10) await bench.give(waiting(at))
    for (const at of [0, 5, 10]) await bench.give(batch(at))
    await bench.clock.pass(5_000)
    expect(bench.codes()).toContain('parking_full')
    expect(bench.accepted.filter(message => message.startsWith('source-1'))).toEqual(['source-1 0'])
    await bench.give(waiting(0))
    await bench.clock.pass(20_000)
    expect(await bench.values('source-2')).toEqual(numbers(0, 100, 'source-2'))
    expect(bench.accepted.filter(message => message.startsWith('source-1'))).toHaveLength(3)
    expect(bench.codes()).not.toContain('parking_full')
  })

  test('is held while the log is away, in order, and never given back', async () => {
    const bench = await Bench.create()
    await bench.give(batch(0))
    bench.log.away = true
    for (const at of [10, 20, 30]) await bench.give(batch(at))
    await bench.clock.pass(20_000)
    expect(bench.accepted).toEqual(['source-1 0'])
    bench.log.away = false
    await bench.clock.pass(20_000)
    expect(await bench.values()).toEqual(numbers(0, 40))
    expect(bench.accepted).toHaveLength(4)
  })

  test('that is no batch, or another gateway’s, is set aside for a person: it is never rejected', async () => {
    const bench = await Bench.create()
    const broken = { ...batch(0), bytes: Buffer.from('this is none') }
    await bench.give(broken)
    await bench.give(batch(0), { gateway: 'gw-2' })
    expect(bench.aside()).toHaveLength(2)
    expect(bench.accepted).toHaveLength(2)
    expect(bench.codes()).toContain('message_set_aside')
    await bench.give(batch(0))
    expect(await bench.values()).toEqual(numbers(0, 10))
  })

  test('of a frozen source is parked, its gateway is told, and after a resume goes on under the new epoch', async () => {
    const bench = await Bench.create()
    await bench.give(batch(0))
    // Begins within what the log has, and ends behind it: no gateway of this name cut that.
    await bench.give(batch(5))
    await bench.give(batch(10))
    await bench.clock.pass(500)
    expect(bench.asked).toContainEqual(expect.objectContaining({ ask: 'freeze', source: 'source-1', epoch: 0 }))
    expect(bench.parking.list()).toHaveLength(2)
    const renewed = bench.log.renewEpoch({ gateway: GATEWAY, source: 'source-1' })
    await bench.clock.pass(10)
    const { epoch, epochStart } = await renewed
    expect(epochStart).toBe(10)
    await bench.give(cutBatch(10, 5, { epoch, epochStart, salt: ' anew' }))
    await bench.clock.pass(3_000)
    expect((await bench.values()).slice(10)).toEqual(numbers(10, 15).map(value => `${value} anew`))
    expect(bench.parking.list()).toEqual([])
    expect(bench.aside()).toHaveLength(2)
  })

  test('of before a resume stopped the source anew where it could not be set aside: the source goes on, and it is set aside later', async () => {
    const bench = await Bench.create()
    for (const at of [0, 5, 10]) await bench.give(batch(at))
    await bench.clock.pass(500)
    expect(bench.parking.list()).toHaveLength(2)
    const inTheWay = join(bench.folder, 'set-aside')
    writeFileSync(inTheWay, '')
    const renewed = bench.log.renewEpoch({ gateway: GATEWAY, source: 'source-1' })
    await bench.clock.pass(10)
    const { epoch, epochStart } = await renewed
    const anew = (sequence: number) => cutBatch(sequence, 5, { epoch, epochStart, salt: ' anew' })
    await bench.give(anew(10))
    await bench.clock.pass(10_000)
    expect((await bench.values()).slice(10)).toEqual(numbers(10, 15).map(value => `${value} anew`))
    expect(bench.parking.list()).toHaveLength(2)
    expect(bench.codes()).toContain('parking_full')
    rmSync(inTheWay)
    await bench.clock.pass(10_000)
    expect(bench.codes()).not.toContain('parking_full')
    expect(bench.parking.list()).toEqual([])
    expect(bench.aside()).toHaveLength(2)
  })

  test('of before a resume that the log refused only after it froze the source anew, under the epoch that had just begun', async () => {
    const bench = await Bench.create()
    const { promise: resumed, resolve: goOn } = Promise.withResolvers<void>()
    const { append } = bench.log
    bench.log.append = async (...args) => {
      await resumed
      return append.apply(bench.log, args)
    }
    await bench.give(batch(0))
    const renewed = bench.log.renewEpoch({ gateway: GATEWAY, source: 'source-1' })
    await bench.clock.pass(10)
    const { epoch, epochStart, topic, partition } = await renewed
    const anew = (sequence: number) => cutBatch(sequence, 5, { epoch, epochStart, salt: ' anew' })
    // Another core was faster.
    bench.log.intrude({ topic, partition }, anew(0).bytes)
    for (const sequence of [0, 5]) await bench.give(anew(sequence))
    goOn()
    await bench.clock.pass(10_000)
    expect(await bench.values()).toEqual(numbers(0, 10).map(value => `${value} anew`))
    expect(bench.aside()).toHaveLength(1)
    expect(bench.accepted).toHaveLength(3)
    expect(bench.codes()).not.toContain('source_frozen')
  })
})
