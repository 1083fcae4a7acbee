import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { startModbusMeter } from '../../hardware/simulators/modbus-meter.ts'
import type { Simulator } from '../../hardware/simulators/simulator.ts'
import { until } from '../support/until.ts'
import { SourceBench } from './harness.ts'
import { RtuLine } from './rtu-meter.ts'

let bench: SourceBench
let folder: string
beforeEach(() => {
  bench = new SourceBench()
  folder = mkdtempSync(join(tmpdir(), 'headrace-modbus-'))
})
afterEach(async () => {
  await bench.end()
  rmSync(folder, { recursive: true, force: true })
})

describe('over TCP', () => {
  let meter: Simulator | undefined
  afterEach(async () => {
    await meter?.stop()
    meter = undefined
  })

  test('reads a meter by its profile, every value under its name and in its unit', async () => {
    meter = await startModbusMeter()
    bench.start('modbus', { tcp: meter.path, unit: 1, device: 'eastron-sdm120', every: '20ms' })
    await until('some rounds', () => bench.records.length >= 3)
    const values = JSON.parse(bench.texts[0] ?? '')
    expect(Object.keys(values)).toContain('voltage_v')
    expect(values.voltage_v).toBeGreaterThan(225)
    expect(values.voltage_v).toBeLessThan(235)
    expect(values.power_factor).toBeCloseTo(0.97, 5)
    expect(values.reactive_var).toBe(120)
  })

  test('a meter that is away is waited for, said, and read as soon as it is there', async () => {
    const port = await freePort()
    const runner = bench.start('modbus', { tcp: `127.0.0.1:${port}`, device: 'eastron-sdm120', every: '20ms' })
    const waiting = await until('it waits', () => runner.status().state === 'waiting' && runner.status())
    expect(waiting.reason).toContain(`127.0.0.1:${port}`)
    meter = await startModbusMeter({ port })
    await until('a record', () => bench.records.length > 0)
    expect(runner.status().state).toBe('reading')
    await meter.stop()
    await until('it waits again', () => runner.status().state === 'waiting')
    const before = bench.records.length
    meter = await startModbusMeter({ port })
    await until('it goes on', () => bench.records.length > before)
  })

  test('a unit that does not answer is counted, and asked less often', async () => {
    meter = await startModbusMeter()
    const options = { tcp: meter.path, unit: 7, device: 'eastron-sdm120', every: '20ms', timeout: '50ms' }
    const runner = bench.start('modbus', options)
    await until('it was counted', () => (runner.status().trouble['no answer'] ?? 0) >= 2)
    expect(runner.status().state).toBe('waiting')
    expect(bench.records).toEqual([])
  })
})

describe('on a line', () => {
  let line: RtuLine
  let link: string
  let device: string

  beforeEach(async () => {
    link = join(folder, 'rs485')
    device = join(folder, 'meter.yaml')
    writeFileSync(
      device,
      'device: a meter\nsource: made for this test\nfunction: input\nregisters:\n  - { name: first, address: 10, type: u16 }\n  - { name: second, address: 11, type: u16 }\n  - { name: far, address: 500, type: u16 }\n',
    )
    line = await RtuLine.open(link, [1, 2])
  })
  afterEach(() => line.close())

  const start = (unit: number, more: object = {}) =>
    bench.start(
      'modbus',
      { rtu: { path: link }, unit, device, every: '20ms', timeout: '150ms', ...more },
      { name: `unit-${unit}` },
    )

  test('two units on one bus, one request at a time, neighbouring registers in one', async () => {
    start(1)
    start(2)
    await until('both were read', () => ['1010', '2010'].every(value => bench.texts.some(text => text.includes(value))))
    expect(bench.texts).toContain('{"first":1010,"second":1011,"far":1500}')
    expect(bench.texts).toContain('{"first":2010,"second":2011,"far":2500}')
    expect(line.asked).toContainEqual({ unit: 1, address: 10, length: 2 })
    expect(line.collisions).toBe(0)
  })

  test('a dead unit does not keep the other from its turn', async () => {
    line.delayOf.set(1, undefined)
    const dead = start(1)
    start(2)
    await until('the other was read often', () => bench.records.length >= 5)
    expect(dead.status().trouble['no answer']).toBeGreaterThan(0)
    expect(bench.texts.every(text => text.includes('2010'))).toBe(true)
  })

  test('a line that is unplugged is waited for, said, and read as soon as it is plugged in again', async () => {
    const runner = start(1)
    await until('it was read', () => bench.records.length > 0)
    await line.close()
    await until('it is missed', () => runner.status().reason === `${link} is not there`)
    const before = bench.records.length
    line = await RtuLine.open(link, [1])
    await until('it goes on', () => bench.records.length > before)
  })

  test('an answer that comes after its time is not taken for that of the next request', async () => {
    line.delayOf.set(1, 250)
    const late = start(1, { timeout: '150ms' })
    await until('two were late', () => (late.status().trouble['no answer'] ?? 0) >= 2)
    start(2)
    await until('the other was read', () => bench.records.length >= 2)
    // On a machine that is slow enough the late one may be in time for its own request; no record is made of two.
    const whole = ['{"first":1010,"second":1011,"far":1500}', '{"first":2010,"second":2011,"far":2500}']
    for (const text of bench.texts) expect(whole).toContain(text)
  })

  test('an answer with a wrong checksum makes no record', async () => {
    line.spoil = answer => {
      const spoilt = Buffer.from(answer)
      spoilt[3] = (spoilt[3] ?? 0) ^ 0x10
      return spoilt
    }
    const runner = start(1)
    await until('it was counted', () => Object.values(runner.status().trouble).reduce((sum, count) => sum + count, 0) >= 2)
    expect(bench.records).toEqual([])
    line.spoil = answer => answer
    await until('a good one', () => bench.records.length > 0)
    expect(bench.texts[0]).toBe('{"first":1010,"second":1011,"far":1500}')
  })
})
