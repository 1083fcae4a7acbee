import { describe, expect, test } from 'vitest'
import type { Fields } from '../../../src/record/fields.ts'
import { compileFieldCondition } from '../../../src/runtime/expression.ts'
import { StepChain } from '../../../src/source/steps/chain.ts'
import { Flowing } from '../../../src/source/steps/flowing.ts'
import { chosenSteps, fieldsBehind, stepsOptions } from '../../../src/source/steps/options.ts'
import { SimulatedClock } from '../../support/simulated-clock.ts'

class Bench {
  readonly clock = new SimulatedClock()
  readonly out: { text: string; timeMs: number; bookmark: string | null | undefined }[] = []
  readonly chain: StepChain
  #bookmark = 0

  constructor(...steps: object[]) {
    this.chain = new StepChain(chosenSteps(stepsOptions.parse(steps)), this.clock, ({ bytes, timeMs, bookmark }) =>
      this.out.push({ text: bytes.toString(), timeMs, bookmark }),
    )
  }

  give(value: unknown, timeMs = this.clock.wallMs(), headers?: Readonly<Record<string, string>>): void {
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    const given = headers && Object.entries(headers).map(([key, each]) => ({ key, value: Buffer.from(each) }))
    this.chain.take(Flowing.ofBytes(Buffer.from(text), timeMs, given, String(++this.#bookmark)))
  }

  get texts(): string[] {
    return this.out.map(({ text }) => text)
  }

  get values(): unknown[] {
    return this.texts.map(text => JSON.parse(text))
  }
}

test('filter keeps what fulfils its condition, counts what it withholds, and keeps what it cannot judge', () => {
  const bench = new Bench({ filter: 'temp_c > 5 && state == "on"' })
  bench.give({ temp_c: 6, state: 'on' })
  bench.give({ temp_c: 5, state: 'on' })
  bench.give({ temp_c: 6.5, state: 'off' })
  bench.give({ other: 1 })
  bench.give('not JSON')
  expect(bench.texts).toEqual(['{"temp_c":6,"state":"on"}', '{"other":1}', 'not JSON'])
  expect(bench.chain.counts()).toEqual([{ step: 'filter', taken: 5, withheld: 2, unread: 2 }])
})

test.each([
  ['record.type == "GGA" && quality > 0', { type: 'GGA', quality: 1 }, true],
  ['has(fix.lat)', { fix: {} }, false],
  ['has(record.x)', { y: 1 }, false],
  ['x * 2 + 1 == 7', { x: 3 }, true],
  ['state in ["on", "idle"]', { state: 'off' }, false],
  ['name.startsWith("pump")', { name: 'pump-1' }, true],
  ['x > 1', { x: 'text' }, undefined],
])('the condition %s of %j is %s', (text, fields, expected) => {
  expect(compileFieldCondition(text)(fields)).toBe(expected)
})

test('select, rename, scale and constants work one behind the other, and leave other bytes alone', () => {
  const bench = new Bench(
    { select: ['t', 'p', 'missing'] },
    { rename: { t: 'temp_c' } },
    { scale: { temp_c: { factor: 0.1, offset: -40, unit: '°C' }, p: { factor: 1 / 3, decimals: 2 } } },
    { constants: { site: 'north', line: 3 } },
  )
  bench.give({ t: 615, p: 1, x: 9 })
  bench.give('raw')
  expect(bench.texts).toEqual(['{"temp_c":21.5,"p":0.33,"site":"north","line":3}', 'raw'])
  expect(bench.chain.counts().map(({ unread }) => unread)).toEqual([1, 1, 1, 1])
})

test('a record that no step changes keeps its digits as the device wrote them', () => {
  const bench = new Bench({ filter: 'v > 1' }, { sample: { one_in: 1 } })
  bench.give('{"v":1.10, "big":12345678901234567890}')
  expect(bench.texts).toEqual(['{"v":1.10, "big":12345678901234567890}'])
})

test('changes keeps what moved by its band, or is due, and counts the rest', () => {
  const bench = new Bench({ changes: { fields: { t: 0.5, state: 0 }, at_least_every: '10s' } })
  const start = bench.clock.wallMs()
  for (const [at, t, state] of [
    [0, 20, 'a'],
    [1, 20.4, 'a'],
    [2, 20.5, 'a'],
    [3, 20.2, 'a'],
    [4, 20.2, 'b'],
    [13, 20.2, 'b'],
    [14, 20.2, 'b'],
  ] as const) {
    bench.give({ t, state, at }, start + at * 1_000)
  }
  expect(bench.values.map(value => (value as { at: number }).at)).toEqual([0, 2, 4, 14])
  expect(bench.chain.counts()).toMatchObject([{ taken: 7, withheld: 3 }])
})

test('rate_limit lets a burst through, then so many in a time', async () => {
  const bench = new Bench({ rate_limit: { records: 3, per: '1s' } })
  for (let n = 0; n < 10; n++) bench.give({ n })
  expect(bench.out).toHaveLength(3)
  await bench.clock.pass(400)
  for (let n = 10; n < 15; n++) bench.give({ n })
  expect(bench.out).toHaveLength(4)
  await bench.clock.pass(10_000)
  for (let n = 15; n < 25; n++) bench.give({ n })
  expect(bench.out).toHaveLength(7)
  expect(bench.chain.counts()).toMatchObject([{ taken: 25, withheld: 18 }])
})

test('sample keeps one in so many, or the first of each span', () => {
  const counted = new Bench({ sample: { one_in: 3 } })
  for (let n = 0; n < 7; n++) counted.give({ n })
  expect(counted.values).toEqual([{ n: 0 }, { n: 3 }, { n: 6 }])
  const spans = new Bench({ sample: { every: '1s' } })
  for (let n = 0; n < 7; n++) spans.give({ n }, n * 400)
  expect(spans.values).toEqual([{ n: 0 }, { n: 3 }, { n: 5 }])
  expect(spans.chain.counts()).toMatchObject([{ taken: 7, withheld: 4 }])
})

test('a number of more digits than a double has goes through steps as it came', () => {
  const bench = new Bench(
    { rename: { id: 'card' } },
    { constants: { site: 'north' } },
    { select: ['card', 'at_ns', 'in', 'far', 't', 'text', 'site'] },
    { flatten: {} },
  )
  const given =
    '"at_ns":-1764438786123456789,"in_list":[9007199254740993,1],"far":1e400,"t":21.299999999999997,"text":"\\"12345678901234567890"'
  bench.give(`{"id":12345678901234567890,${given.replace('"in_list":', '"in":{"list":').replace('1],', '1]},')}}`)
  expect(bench.texts).toEqual([`{"card":12345678901234567890,${given},"site":"north"}`])
})

test('so do two numbers of one record for which one double stands, also where they are renamed, and text is text', () => {
  const given = '"from_ns":1764438786123456789,"to_ns":1764438786123456790,"text":"\\u00019007199254740993\\u0001"'
  const kept = new Bench({ constants: { site: 'north' } })
  kept.give(`{${given}}`)
  expect(kept.texts).toEqual([`{${given},"site":"north"}`])
  const renamed = new Bench({ rename: { from_ns: 'begin' } })
  renamed.give(`{${given}}`)
  expect(renamed.texts).toEqual([`{${given.replace('from_ns', 'begin')}}`])
})

test('a change of just the deadband is one, whatever a tenth is in binary', () => {
  const bench = new Bench({ changes: { fields: { t: 0.1 } } })
  const values = Array.from({ length: 20_000 }, (_, index) => ({ t: Number((index / 10 - 100).toFixed(1)) }))
  for (const value of values) bench.give(value)
  expect(bench.values).toEqual(values)
})

test('scale and aggregate keep the digits of large counters and times', () => {
  const scaling = new Bench({ scale: { wh: { factor: 0.001 }, at_ms: { offset: 3_600_000 }, t: { factor: 1.8, offset: 32 } } })
  scaling.give({ wh: 1_234_567_890_123, at_ms: 1_767_225_600_123, t: -17.8 })
  expect(scaling.values).toEqual([{ wh: 1_234_567_890.123, at_ms: 1_767_229_200_123, t: -0.04 }])
  const gathering = new Bench({ aggregate: { every: '1m', fields: { wh: ['avg', 'sum'] } } })
  for (const wh of [1_234_567_890_123, 1_234_567_890_124]) gathering.give({ wh })
  gathering.chain.end()
  expect(gathering.values).toEqual([{ records: 2, wh_avg: 1_234_567_890_123.5, wh_sum: 2_469_135_780_247 }])
})

describe('aggregate', () => {
  const minute = { aggregate: { every: '1m', fields: { t: ['avg', 'min', 'max', 'first', 'last', 'sum', 'count'] } } }

  test('gives one record for each window, with the bookmark of the last that is in it', () => {
    const bench = new Bench(minute)
    const start = Math.ceil(bench.clock.wallMs() / 60_000) * 60_000
    bench.give({ t: 1 }, start)
    bench.give({ t: 3 }, start + 59_999)
    bench.give({ t: 10 }, start + 60_000)
    expect(bench.out).toEqual([
      {
        text: '{"records":2,"t_avg":2,"t_min":1,"t_max":3,"t_first":1,"t_last":3,"t_sum":4,"t_count":2}',
        timeMs: start,
        bookmark: '2',
      },
    ])
    bench.chain.end()
    expect(bench.values[1]).toMatchObject({ records: 1, t_avg: 10 })
    expect(bench.chain.counts()).toMatchObject([{ taken: 3, withheld: 3 }])
  })

  test('a source that falls silent gets its window by the clock', async () => {
    const bench = new Bench({ aggregate: { every: '1s', fields: { t: ['max'] } } })
    bench.give({ t: 5 })
    await bench.clock.pass(900)
    expect(bench.out).toEqual([])
    await bench.clock.pass(1_000)
    expect(bench.values).toEqual([{ records: 1, t_max: 5 }])
  })

  test('a device whose clock is behind gives one record for each window as well', async () => {
    const bench = new Bench(minute)
    const lagMs = 600_000
    const start = Math.ceil(bench.clock.wallMs() / 60_000) * 60_000 - lagMs
    await bench.clock.pass(start + lagMs - bench.clock.wallMs())
    for (let second = 0; second < 120; second++) {
      bench.give({ t: second }, start + second * 1_000)
      await bench.clock.pass(1_000)
    }
    bench.chain.end()
    expect(bench.values).toMatchObject([{ records: 60 }, { records: 60 }])
  })

  test('a record for a window that the clock has closed is too late, and makes no second one', async () => {
    const bench = new Bench({ aggregate: { every: '1s', fields: { t: ['max'] } } })
    const start = Math.ceil(bench.clock.wallMs() / 1_000) * 1_000
    bench.give({ t: 5 }, start)
    await bench.clock.pass(3_000)
    bench.give({ t: 6 }, start + 999)
    expect(bench.values).toEqual([{ records: 1, t_max: 5 }, { t: 6 }])
    expect(bench.chain.counts()).toMatchObject([{ taken: 2, withheld: 1, unread: 1 }])
  })

  test('what comes too late for its window goes on as it is, counted, and does not move the bookmark past the open window', () => {
    const bench = new Bench(minute)
    bench.give({ t: 1 }, 600_000)
    bench.give({ t: 2 }, 599_999)
    expect(bench.out).toEqual([{ text: '{"t":2}', timeMs: 599_999, bookmark: undefined }])
    expect(bench.chain.counts()).toMatchObject([{ taken: 2, withheld: 1, unread: 1 }])
  })
})

describe('flatten', () => {
  test('makes fields of what stands in mappings, so that other steps can name it; lists stay', () => {
    const bench = new Bench({ flatten: {} }, { scale: { energy_power: { factor: 1_000 } } })
    bench.give({ id: 'a', energy: { power: 5, today: { kwh: 1.5 } }, list: [{ x: 1 }], none: null, empty: {} })
    expect(bench.values).toEqual([{ id: 'a', energy_power: 5_000, energy_today_kwh: 1.5, list: [{ x: 1 }], none: null }])
  })

  test('two fields that would have one name, and what is no mapping, go on as they came and are counted', () => {
    const bench = new Bench({ flatten: { joint: '.' } })
    bench.give({ 'a.b': 1, a: { b: 2 } })
    bench.give('not JSON')
    bench.give({ a: { b: 2 } })
    expect(bench.texts).toEqual(['{"a.b":1,"a":{"b":2}}', 'not JSON', '{"a.b":2}'])
    expect(bench.chain.counts()).toEqual([{ step: 'flatten', taken: 3, withheld: 0, unread: 2 }])
  })

  test('one that is deep, or has very many fields, does no harm', () => {
    const bench = new Bench({ flatten: {} })
    bench.give(`${'{"a":'.repeat(500)}1${'}'.repeat(500)}`)
    bench.give({ m: Object.fromEntries(Array.from({ length: 6_000 }, (_, index) => [`f${index}`, index])) })
    expect(Object.keys(bench.values[0] as object)[0]).toBe(`${'a_'.repeat(31)}a`)
    expect(Object.keys(bench.values[1] as object)).toEqual(['m'])
  })
})

test('from_headers adds what stands in a header, or in a part of it, so that readers who see no headers know it too', () => {
  const chosen = { topic: 'mqtt_topic', room: { header: 'mqtt_topic', part: 2 }, far: { header: 'mqtt_topic', part: 9 } }
  const bench = new Bench({ from_headers: chosen })
  bench.give({ t: 21 }, 0, { mqtt_topic: 'plant/room-7/temp' })
  bench.give({ t: 22 })
  bench.give('21', 0, { mqtt_topic: 'a' })
  expect(bench.texts).toEqual([
    '{"t":21,"topic":"plant/room-7/temp","room":"room-7","far":null}',
    '{"t":22,"topic":null,"room":null,"far":null}',
    '21',
  ])
  expect(bench.chain.counts()).toEqual([{ step: 'from_headers', taken: 3, withheld: 0, unread: 1 }])
})

describe('split', () => {
  test('by a list: each element with the other fields; only the last part carries the bookmark', () => {
    const bench = new Bench({ split: { field: 'readings' } })
    bench.give({ id: 7, readings: [{ t: 1 }, { t: 2 }, 3] })
    expect(bench.out.map(({ text, bookmark }) => [text, bookmark])).toEqual([
      ['{"id":7,"t":1}', null],
      ['{"id":7,"t":2}', null],
      ['{"id":7,"readings":3}', '1'],
    ])
    bench.give({ readings: [] })
    bench.give({ readings: 'none' })
    expect(bench.out).toHaveLength(4)
    expect(bench.chain.counts()).toEqual([{ step: 'split', taken: 3, withheld: 1, unread: 1 }])
  })

  test('by a delimiter, empty parts passed over', () => {
    const bench = new Bench({ split: { delimiter: '\\n' } })
    bench.give('one\ntwo\n\nthree\n')
    expect(bench.texts).toEqual(['one', 'two', 'three'])
  })
})

test('every record is either passed on or counted as withheld, whatever comes', () => {
  const bench = new Bench({ filter: 'n % 2 == 0' }, { changes: { fields: { n: 3 } } }, { sample: { one_in: 2 } })
  for (let n = 0; n < 1_000; n++) bench.give(n % 7 === 0 ? `noise ${n}` : { n })
  const withheld = bench.chain.counts().reduce((sum, counts) => sum + counts.withheld, 0)
  expect(bench.out.length + withheld).toBe(1_000)
})

test('types and units follow the steps', () => {
  const before: Fields = { t: { type: 'number', unit: '0.1 K' }, state: { type: 'text' }, x: {} }
  const behind = (...steps: object[]) => fieldsBehind(chosenSteps(stepsOptions.parse(steps)), before)
  expect(behind({ rename: { t: 'temp_c' } }, { scale: { temp_c: { factor: 0.1, unit: '°C' } } }, { select: ['temp_c'] })).toEqual(
    {
      temp_c: { type: 'number', unit: '°C' },
    },
  )
  expect(behind({ aggregate: { every: '1m', fields: { t: ['avg', 'count'] } } }, { constants: { site: 'north' } })).toEqual({
    records: { type: 'number' },
    t_avg: { type: 'number', unit: '0.1 K' },
    t_count: { type: 'number' },
    site: { type: 'text' },
  })
})

test.each([
  [{ filter: 'temp >' }, 'the condition "temp >" is wrong'],
  [{ filter: '1 + 1' }, 'not true or false'],
  [{ filter: 'a == 1', sample: { one_in: 2 } }, 'a step does one thing'],
  [{}, 'a step does one thing'],
  [{ rename: { a: 'c', b: 'c' } }, 'the same name'],
  [{ sample: {} }, 'either `one_in` or `every`'],
])('%j is refused', (step, why) => {
  expect(JSON.stringify(stepsOptions.safeParse([step]).error?.issues)).toContain(JSON.stringify(why).slice(1, -1))
})
