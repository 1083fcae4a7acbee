import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { CutBatch } from '../../src/buffer/buffer.ts'
import { CLOCK_WAIT_MS } from '../../src/buffer/clock-watch.ts'
import { decodeBatch } from '../../src/record/batch-reader.ts'
import { HEADER } from '../../src/record/record.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { ASSIGNMENT, Bench, outletOf, put, takeRecords } from './harness.ts'

/** A machine whose wall clock begins in 1970 at its boot, and can be set. */
class Machine extends SimulatedClock {
  readonly id: string
  #wallOffsetMs = 0
  readonly #bootedMs: number

  constructor(id: string, secondsUp = 5) {
    super()
    this.id = id
    this.#bootedMs = -secondsUp * 1_000
  }

  override wallMs(): number {
    return Math.floor(this.#wallOffsetMs + this.sinceBootMs())
  }

  sinceBootMs(): number {
    return this.monotonicMs() - this.#bootedMs
  }

  set(wallMs: number): void {
    this.#wallOffsetMs = wallMs - this.sinceBootMs()
  }
}

const TODAY_MS = Date.UTC(2026, 10, 28, 12)

let bench: Bench
beforeEach(() => {
  bench = new Bench()
})
afterEach(() => bench.end())

function timesOf(batches: readonly CutBatch[]) {
  return batches.flatMap(({ bytes }) =>
    decodeBatch(bytes).map(({ value, timeMs, headers }) => ({
      text: value?.toString(),
      timeMs,
      clock: headers.find(({ key }) => key === HEADER.clock)?.value.toString(),
    })),
  )
}

const open = (machine: Machine, more: object = {}) => bench.open({ clock: machine, boot: machine, ...more })

describe('a gateway without a clock chip', () => {
  test('what was recorded before its clock was set has the right time when it is sent, and says by how much it was moved', async () => {
    const machine = new Machine('boot-1')
    const buffer = await open(machine)
    put(buffer, 'pump-1', 'before', machine.wallMs())
    await buffer.inlet('pump-1').stored()
    await machine.pass(60_000)
    const beforeMs = machine.wallMs()
    machine.set(TODAY_MS)
    put(buffer, 'pump-1', 'after', machine.wallMs())
    await buffer.inlet('pump-1').stored()
    await outletOf(buffer).assign(ASSIGNMENT)
    buffer.attachLink(() => {})
    await machine.pass(1_000)
    expect(timesOf(await takeRecords(buffer, 'pump-1', 2))).toEqual([
      { text: 'before', timeMs: TODAY_MS - 60_000, clock: `corrected:${TODAY_MS - beforeMs}` },
      { text: 'after', timeMs: TODAY_MS, clock: undefined },
    ])
  })

  test('records of one block, taken before and after the clock was set, have each its own time', async () => {
    const machine = new Machine('boot-1')
    const buffer = await open(machine, { sources: { 'pump-1': { durabilityMs: 60_000 } } })
    put(buffer, 'pump-1', 'first')
    await buffer.inlet('pump-1').stored()
    put(buffer, 'pump-1', 'before', machine.wallMs())
    await machine.pass(2_000)
    const movedMs = TODAY_MS - machine.wallMs()
    machine.set(TODAY_MS)
    put(buffer, 'pump-1', 'after', machine.wallMs())
    await outletOf(buffer).assign(ASSIGNMENT)
    buffer.attachLink(() => {})
    await machine.pass(61_000)
    const [, before, after] = timesOf(await takeRecords(buffer, 'pump-1', 3))
    expect(before).toEqual({ text: 'before', timeMs: TODAY_MS - 2_000, clock: `corrected:${movedMs}` })
    expect(after).toEqual({ text: 'after', timeMs: TODAY_MS, clock: undefined })
  })

  test('a process that was started again in the same boot still knows; one of the next boot says that it does not', async () => {
    const first = new Machine('boot-1')
    const before = await open(first)
    put(before, 'pump-1', 'same boot', first.wallMs())
    await before.inlet('pump-1').stored()
    await bench.close(before)
    // Ten minutes later, by the clock that nobody sets.
    const again = new Machine('boot-1', 5 + 600)
    again.set(TODAY_MS)
    const same = await open(again)
    await outletOf(same).assign(ASSIGNMENT)
    same.attachLink(() => {})
    await again.pass(1_000)
    expect(timesOf(await takeRecords(same, 'pump-1', 1))).toEqual([
      { text: 'same boot', timeMs: TODAY_MS - 600_000, clock: expect.stringMatching(/^corrected:/) },
    ])
    same.detachLink()
    again.set(10_000)
    put(same, 'pump-1', 'of an earlier boot', again.wallMs())
    await same.inlet('pump-1').stored()
    await bench.close(same)
    const next = new Machine('boot-2')
    next.set(TODAY_MS)
    const other = await open(next)
    other.attachLink(() => {})
    await next.pass(1_000)
    expect(timesOf(await takeRecords(other, 'pump-1', 2)).at(-1)).toEqual({
      text: 'of an earlier boot',
      timeMs: 10_000,
      clock: 'unset',
    })
  })

  test('cutting waits for the clock, but not for ever: then records say that it was not set', async () => {
    const machine = new Machine('boot-1')
    const buffer = await open(machine)
    await outletOf(buffer).assign(ASSIGNMENT)
    buffer.attachLink(() => {})
    const timeMs = machine.wallMs()
    put(buffer, 'pump-1', 'waits', timeMs)
    await buffer.inlet('pump-1').stored()
    await machine.pass(CLOCK_WAIT_MS - 2_000)
    expect(outletOf(buffer).take()).toBeUndefined()
    await machine.pass(5_000)
    expect(timesOf(await takeRecords(buffer, 'pump-1', 1))).toEqual([{ text: 'waits', timeMs, clock: 'unset' }])
  })

  test('a clock that is set while cutting waits ends the wait', async () => {
    const machine = new Machine('boot-1')
    const buffer = await open(machine)
    await outletOf(buffer).assign(ASSIGNMENT)
    buffer.attachLink(() => {})
    put(buffer, 'pump-1', 'waits', machine.wallMs())
    await buffer.inlet('pump-1').stored()
    await machine.pass(3_000)
    machine.set(TODAY_MS)
    await machine.pass(2_000)
    const [record] = timesOf(await takeRecords(buffer, 'pump-1', 1))
    expect(record).toEqual({ text: 'waits', timeMs: TODAY_MS - 3_000, clock: expect.stringMatching(/^corrected:/) })
  })

  test('a batch that was cut before the clock was set is the same afterwards, byte for byte', async () => {
    const machine = new Machine('boot-1')
    const buffer = await open(machine)
    await outletOf(buffer).assign(ASSIGNMENT)
    await machine.pass(CLOCK_WAIT_MS)
    buffer.attachLink(() => {})
    put(buffer, 'pump-1', 'cut', machine.wallMs())
    await buffer.inlet('pump-1').stored()
    const [sent] = await takeRecords(buffer, 'pump-1', 1)
    machine.set(TODAY_MS)
    const rewound = outletOf(buffer).rewind(0)
    await machine.pass(1_000)
    await rewound
    await machine.pass(1_000)
    const [again] = await takeRecords(buffer, 'pump-1', 1)
    expect(again?.bytes.equals(sent?.bytes ?? Buffer.alloc(0))).toBe(true)
  })

  test('a large backlog, of which blocks are encoded ahead, is corrected as well', async () => {
    const machine = new Machine('boot-1')
    const buffer = await open(machine)
    await outletOf(buffer).assign(ASSIGNMENT)
    const text = 'x'.repeat(500)
    for (let number = 0; number < 2_000; number++) put(buffer, 'pump-1', `${number}:${text}`, machine.wallMs())
    await buffer.inlet('pump-1').stored()
    await machine.pass(10_000)
    machine.set(TODAY_MS)
    buffer.attachLink(() => {})
    await machine.pass(1_000)
    const records = timesOf(await takeRecords(buffer, 'pump-1', 2_000))
    expect(new Set(records.map(({ timeMs }) => timeMs))).toEqual(new Set([TODAY_MS - 10_000]))
  })

  test('with a time limit, what an unset clock dated is not taken for 56 years old', async () => {
    const machine = new Machine('boot-1')
    const buffer = await open(machine, { sources: { 'pump-1': { ttlMs: 60_000 } } })
    put(buffer, 'pump-1', 'young', machine.wallMs())
    await buffer.inlet('pump-1').stored()
    machine.set(TODAY_MS)
    await machine.pass(3_000)
    expect(buffer.inlet('pump-1').counts().dropped).toBe(0)
    expect(outletOf(buffer).buffered().records).toBe(1)
  })
})

describe('what a device says of the time', () => {
  test('is kept where the gateway does not know it', async () => {
    const machine = new Machine('boot-1')
    const buffer = await open(machine)
    put(buffer, 'pump-1', 'by the device', TODAY_MS)
    put(buffer, 'pump-1', 'of a log of 2015', Date.UTC(2015, 5, 1))
    await buffer.inlet('pump-1').stored()
    machine.set(TODAY_MS)
    await outletOf(buffer).assign(ASSIGNMENT)
    buffer.attachLink(() => {})
    await machine.pass(1_000)
    expect(timesOf(await takeRecords(buffer, 'pump-1', 2))).toEqual([
      { text: 'by the device', timeMs: TODAY_MS, clock: undefined },
      { text: 'of a log of 2015', timeMs: Date.UTC(2015, 5, 1), clock: undefined },
    ])
  })

  test('never reaches a broker where it lies days ahead; also where the clock was set back since it was encoded', async () => {
    const machine = new Machine('boot-1')
    machine.set(Date.UTC(2040, 0))
    const buffer = await open(machine)
    await outletOf(buffer).assign(ASSIGNMENT)
    // Bytes that do not compress make a batch of their own, which is adopted as it is where nothing speaks against it.
    for (let number = 0; number < 300; number++) put(buffer, 'pump-1', randomBytes(250).toString('hex'), machine.wallMs())
    await buffer.inlet('pump-1').stored()
    machine.set(TODAY_MS)
    buffer.attachLink(() => {})
    await machine.pass(1_000)
    const records = timesOf(await takeRecords(buffer, 'pump-1', 300))
    for (const { timeMs, clock } of records) {
      expect(timeMs).toBeLessThanOrEqual(machine.wallMs())
      expect(clock).toMatch(/^corrected:-/)
    }
  })
})
