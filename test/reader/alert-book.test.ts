import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Alert, AlertState } from '../../src/analyser/analyser.ts'
import { AlertBook } from '../../src/reader/realtime/alert-book.ts'
import type { AlertSink } from '../../src/reader/realtime/alert-sink.ts'
import { SilenceWatch, silencedSink } from '../../src/reader/realtime/silencing.ts'
import { outgoingAlert } from '../../src/reader/realtime/state-entry.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

const HOUR_MS = 3_600_000
const ID = 'plant.too-hot'
const SINK = `${ID} webhook`

let folder: string
let clock: SimulatedClock
let book: AlertBook
let told: string[]
let fails = false
const sink: AlertSink = {
  async deliver(alert) {
    if (fails) throw new Error('away')
    told.push(`${alert.key}`)
  },
}
const open = () => new AlertBook(join(folder, 'alerts.db'), clock)
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-alerts-'))
  clock = new SimulatedClock()
  book = open()
  told = []
  fails = false
})
afterEach(() => {
  book.close()
  rmSync(folder, { recursive: true, force: true })
})

function alert(state: AlertState, number: number, source = 'press-1'): Alert {
  const key = `${source}:${number}:${state}`
  return {
    key,
    analyser: 'too-hot',
    source: { gateway: 'gw-1', source },
    state,
    timeMs: clock.wallMs(),
    message: `${state}`,
    values: { t: 91 },
  }
}

const silence = (changes: object = {}) =>
  book.silence({ analyser: '*', source: '*', forMs: HOUR_MS, by: 'anna', reason: '', ...changes })

describe('what people do about alerts', () => {
  test('an alert stands until it is cleared, and each source has its own', () => {
    for (const each of [alert('raised', 1), alert('raised', 2, 'press-2'), alert('cleared', 3)]) book.add(each, ID)
    expect(book.alerts().map(({ key, stands }) => [key, stands])).toEqual([
      ['press-1:3:cleared', false],
      ['press-2:2:raised', true],
      ['press-1:1:raised', false],
    ])
  })

  test('who acknowledged first stays, also over a restart, and an alert told again is the same one', () => {
    book.add(alert('raised', 1), ID)
    book.acknowledge('press-1:1:raised', 'anna', 'on my way')
    book.acknowledge('press-1:1:raised', 'bert', '')
    book.close()
    book = open()
    book.add(alert('raised', 1), ID)
    expect(book.alerts()).toMatchObject([{ acknowledged: { by: 'anna', note: 'on my way' } }])
    expect(() => book.acknowledge('nothing', 'anna', '')).toThrow('there is no alert "nothing"')
  })

  test('a thousand are kept', () => {
    for (let number = 0; number < 1_003; number++) book.add(alert('noted', number), ID)
    expect(book.alerts().length).toBeLessThan(1_101)
    for (const number of [1, 2]) book.add(alert(number === 1 ? 'raised' : 'noted', number, 'press-9'), ID)
    for (let number = 0; number < 1_003; number++) book.add(alert(number % 2 ? 'raised' : 'cleared', number, 'press-8'), ID)
    // What stands is not lost behind what comes and goes.
    expect(book.alerts().filter(({ stands }) => stands)).toMatchObject([{ source: 'gw-1/press-9', state: 'raised' }])
  })

  test('an alert that the disk does not take ends no process, and is written with the next', async () => {
    book.close()
    const unwritten: unknown[] = []
    book = new AlertBook(join(folder, 'alerts.db'), clock, { onUnwritten: error => unwritten.push(error) })
    const other = new Database(join(folder, 'alerts.db'))
    other.exec("CREATE TRIGGER full BEFORE INSERT ON alerts BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END")
    book.add(alert('raised', 1), ID)
    await new Promise(setImmediate)
    expect(unwritten).toMatchObject([{ message: 'database or disk is full' }])
    other.exec('DROP TRIGGER full')
    other.close()
    book.add(alert('raised', 2, 'press-2'), ID)
    await new Promise(setImmediate)
    expect(book.alerts().map(({ key }) => key)).toEqual(['press-2:2:raised', 'press-1:1:raised'])
  })

  test('what stands for long is not lost behind ten thousand that come and go', () => {
    book.add(alert('raised', 1, 'press-9'), ID)
    for (let number = 0; number < 12_001; number++) book.add(alert(number % 2 ? 'raised' : 'cleared', number, 'press-8'), ID)
    expect(book.alerts().filter(({ stands }) => stands)).toMatchObject([{ source: 'gw-1/press-9', state: 'raised' }])
    expect(book.acknowledge('press-9:1:raised', 'anna', '').acknowledged?.by).toBe('anna')
  })
})

describe('a silence', () => {
  test('is about analysers and sources by glob, ends by itself, and outlives a restart', async () => {
    silence({ analyser: 'plant.*', source: 'press-*' })
    book.close()
    book = open()
    expect(book.isSilenced(ID, 'gw-1/press-1')).toBe(true)
    expect(book.isSilenced(ID, 'gw-1/oven')).toBe(false)
    expect(book.isSilenced('other.too-hot', 'gw-1/press-1')).toBe(false)
    // What concerns all sources together is no matter of some of them.
    expect(book.isSilenced(ID, null)).toBe(false)
    await clock.pass(HOUR_MS + 1)
    expect(book.isSilenced(ID, 'gw-1/press-1')).toBe(false)
    expect(book.silences()).toEqual([])
  })

  test('has a bound in time and in number', () => {
    expect(() => silence({ forMs: 91 * 24 * HOUR_MS })).toThrow('at most 90 days')
    expect(() => silence({ forMs: Number.NaN })).toThrow('more than nothing')
    for (let number = 0; number < 200; number++) silence()
    expect(() => silence()).toThrow('200 silences')
  })
})

describe('what a sink is told', () => {
  const watch = () => new SilenceWatch({ book, sinks: new Map([[SINK, sink]]), clock, logger: silentLogger })
  const deliver = (each: Alert) => silencedSink(SINK, sink, book).deliver(outgoingAlert(each))

  test('everything where nothing is silenced', async () => {
    await deliver(alert('raised', 1))
    expect(told).toEqual(['press-1:1:raised'])
  })

  test('nothing during a silence, and at its end what still stands', async () => {
    silence()
    await deliver(alert('raised', 1))
    await deliver(alert('raised', 2, 'press-2'))
    await deliver(alert('cleared', 3, 'press-2'))
    await deliver(alert('noted', 4, 'press-3'))
    await watch().look()
    expect(told).toEqual([])
    await clock.pass(HOUR_MS + 1)
    await watch().look()
    await watch().look()
    expect(told).toEqual(['press-1:1:raised'])
  })

  test('at its end what stands since its beginning, however often others came and went meanwhile', async () => {
    book.close()
    book = new AlertBook(join(folder, 'alerts.db'), clock, { heldMax: 3 })
    silence()
    await deliver(alert('raised', 1))
    await deliver(alert('raised', 1, 'press-2'))
    await deliver(alert('raised', 1, 'press-3'))
    for (let number = 2; number < 8; number++)
      for (const source of ['press-2', 'press-3'])
        for (const state of ['cleared', 'raised'] as const) await deliver(alert(state, number, source))
    expect(book.held.all().map(({ source }) => source)).toEqual(['gw-1/press-1', 'gw-1/press-2', 'gw-1/press-3'])
    await deliver(alert('raised', 1, 'press-4'))
    expect(book.held.all().map(({ source }) => source)).toEqual(['gw-1/press-2', 'gw-1/press-3', 'gw-1/press-4'])
  })

  test('that is over which it was told before the silence', async () => {
    await deliver(alert('raised', 1))
    const { id } = silence()
    await deliver(alert('cleared', 2))
    book.endSilence(id)
    await watch().look()
    expect(told).toEqual(['press-1:1:raised', 'press-1:2:cleared'])
  })

  test('nothing overtakes what was held back', async () => {
    const { id } = silence()
    await deliver(alert('raised', 1))
    book.endSilence(id)
    await deliver(alert('cleared', 2))
    await watch().look()
    expect(told).toEqual([])
  })

  test('what comes while it is told the last is told after it', async () => {
    const { id } = silence()
    await deliver(alert('raised', 1))
    book.endSilence(id)
    const slow: AlertSink = {
      async deliver(each) {
        await deliver(alert('cleared', 2))
        told.push(each.key)
      },
    }
    await new SilenceWatch({ book, sinks: new Map([[SINK, slow]]), clock, logger: silentLogger }).look()
    await watch().look()
    expect(told).toEqual(['press-1:1:raised', 'press-1:2:cleared'])
  })

  test('a sink that does not answer holds back its own alone: all others waited for each of its alerts', async () => {
    const other = `${ID} command`
    const { id } = silence()
    const hangs: AlertSink = { deliver: () => new Promise(() => {}) }
    for (const [name, each] of [[SINK, hangs] as const, [other, sink] as const])
      await silencedSink(name, each, book).deliver(outgoingAlert(alert('raised', 1)))
    book.endSilence(id)
    const sinks = new Map([
      [SINK, hangs],
      [other, sink],
    ])
    void new SilenceWatch({ book, sinks, clock, logger: silentLogger }).look()
    await clock.pass(1)
    expect(told).toEqual(['press-1:1:raised'])
    expect(book.held.all().map(({ sink: name }) => name)).toEqual([SINK])
  })

  test('a sink that does not answer holds up a stop for two seconds', async () => {
    const { id } = silence()
    await deliver(alert('raised', 1))
    book.endSilence(id)
    const hangs: AlertSink = { deliver: () => new Promise(() => {}) }
    const watching = new SilenceWatch({ book, sinks: new Map([[SINK, hangs]]), clock, logger: silentLogger })
    watching.start()
    let isStopped = false
    void watching.stop().then(() => {
      isStopped = true
    })
    await clock.pass(2_100)
    expect(isStopped).toBe(true)
    expect(book.held.all()).toHaveLength(1)
  })

  test('a sink that fails is told again at the next look', async () => {
    const { id } = silence()
    await deliver(alert('raised', 1))
    book.endSilence(id)
    fails = true
    await watch().look()
    fails = false
    await watch().look()
    expect(told).toEqual(['press-1:1:raised'])
  })
})
