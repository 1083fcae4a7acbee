import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { generator, generatorOptions } from '../../src/source/generator.ts'
import { SharedParts } from '../../src/source/shared-parts.ts'
import type { SourceContext } from '../../src/source/source.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { until } from '../support/until.ts'
import { SourceBench } from './harness.ts'

let bench: SourceBench
beforeEach(() => {
  bench = new SourceBench()
})
afterEach(() => bench.end())

const options = { records_per_second: 0, count: 100, seed: 7 }

test('the same seed gives the same records, another name or seed gives others', async () => {
  const others = [new SourceBench(), new SourceBench(), new SourceBench()]
  bench.start('generator', options)
  others[0]?.start('generator', options)
  others[1]?.start('generator', { ...options, seed: 8 })
  others[2]?.start('generator', options, { name: 'source-2' })
  await until('all are done', () => [bench, ...others].every(({ records }) => records.length === 100))
  expect(others[0]?.texts).toEqual(bench.texts)
  expect(others[1]?.texts).not.toEqual(bench.texts)
  expect(others[2]?.texts).not.toEqual(bench.texts)
  for (const other of others) await other.end()
})

test('a file of lines that is not there, or is empty, is said and waited for', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-generator-'))
  const path = join(folder, 'lines')
  try {
    const runner = bench.start('generator', { ...options, payload_file: path })
    await until('it is said', () => runner.status().reason?.includes(`${path} (lines) cannot be read`))
    writeFileSync(path, '\n')
    await until('that is said', () => runner.status().reason === `${path} holds no line`)
    expect(bench.records).toEqual([])
    writeFileSync(path, 'one\n')
    await until('it gives', () => bench.texts.includes('one'))
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('goes on with the first record that was not stored, and stops after the last', async () => {
  const whole = new SourceBench()
  whole.start('generator', options)
  await until('all', () => whole.records.length === 100)
  const runner = bench.start('generator', options, { stored: 60 })
  await until('it has stopped', () => runner.status().state === 'stopped')
  expect(bench.texts).toEqual(whole.texts.slice(60))
  await whole.end()
})

test('waits while there is no room', async () => {
  bench.full = true
  const runner = bench.start('generator', options)
  await until('it is blocked', () => runner.status().state === 'blocked')
  bench.roomAgain()
  await until('it has stopped', () => runner.status().state === 'stopped')
  expect(bench.texts.map(text => JSON.parse(text).n)).toEqual(Array.from({ length: 100 }, (_, index) => index))
})

test('as fast as it can is more than one burst', async () => {
  const runner = bench.start('generator', { ...options, count: 5_000 })
  await until('it has stopped', () => runner.status().state === 'stopped')
  expect(bench.records).toHaveLength(5_000)
})

test('a slow one sleeps until its next record: ten thousand of them woke up a million times a second', async () => {
  const clock = new SimulatedClock()
  let timers = 0
  const counting: SourceContext['clock'] = {
    wallMs: () => clock.wallMs(),
    monotonicMs: () => clock.monotonicMs(),
    after(delayMs, call) {
      timers += 1
      return clock.after(delayMs, call)
    },
  }
  const givenMs: number[] = []
  const context = {
    source: { gateway: 'g', source: 's' },
    clock: counting,
    recordsStored: () => 0,
    recordsBuffered: () => 0,
    state: () => {},
    message: () => givenMs.push(clock.monotonicMs()),
  } as unknown as SourceContext
  const source = generator.open(generatorOptions.parse({ records_per_second: 0.1 }), context)
  await source.start()
  await clock.pass(60_500)
  expect(givenMs).toHaveLength(6)
  for (const [index, ms] of givenMs.entries()) expect(Math.abs(ms - (index + 1) * 10_000)).toBeLessThanOrEqual(20)
  expect(timers).toBeLessThanOrEqual(20)
  await source.stop()
})

test('those that wait for room share a timer: each had one of its own for each look, and waiting cost more than working', async () => {
  const timersOf = async (sources: number) => {
    const clock = new SimulatedClock()
    let timers = 0
    let buffered = 10
    let given = 0
    const counting: SourceContext['clock'] = {
      wallMs: () => clock.wallMs(),
      monotonicMs: () => clock.monotonicMs(),
      after(delayMs, call) {
        timers += 1
        return clock.after(delayMs, call)
      },
    }
    const shared = new SharedParts()
    const opened = Array.from({ length: sources }, (_, index) => {
      const context = {
        source: { gateway: 'g', source: `s-${index}` },
        clock: counting,
        shared,
        recordsStored: () => 0,
        recordsBuffered: () => buffered,
        state: () => {},
        message: () => {
          given += 1
        },
      } as unknown as SourceContext
      return generator.open(generatorOptions.parse({ records_per_second: 0, ahead: 10, count: 4 }), context)
    })
    for (const source of opened) await source.start()
    await clock.pass(1_000)
    expect(given).toBe(0)
    buffered = 0
    await clock.pass(200)
    expect(given).toBe(4 * sources)
    const used = timers
    await clock.pass(1_000)
    expect(timers).toBe(used)
    await Promise.all(opened.map(source => source.stop()))
    return used
  }
  expect(await timersOf(50)).toBeLessThanOrEqual((await timersOf(1)) + 1)
})

test('one that waits for room is stopped all the same', async () => {
  const clock = new SimulatedClock()
  const context = {
    source: { gateway: 'g', source: 's' },
    clock,
    shared: new SharedParts(),
    recordsStored: () => 0,
    recordsBuffered: () => 10,
    state: () => {},
    message: () => {},
  } as unknown as SourceContext
  const source = generator.open(generatorOptions.parse({ records_per_second: 0, ahead: 10 }), context)
  await source.start()
  await clock.pass(500)
  const stopped = source.stop()
  await clock.pass(200)
  await stopped
})
