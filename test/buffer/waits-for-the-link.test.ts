import { afterEach, beforeEach, expect, test } from 'vitest'
import { ASSIGNMENT, Bench, countingClock, outletOf, put, recordsOf, takeRecords } from './harness.ts'

let bench: Bench
beforeEach(() => {
  bench = new Bench()
})
afterEach(() => bench.end())

const LOOKS_MAX = 50
const TURNS = 500

test('while a batch waits for the link and records come behind it, nothing goes on: the processor was busy for as long as the link waited', async () => {
  const { clock, looksWhileIdle } = countingClock()
  const buffer = await bench.open({ clock })
  await outletOf(buffer).assign(ASSIGNMENT)
  buffer.attachLink(() => {})
  for (let number = 0; number < 5; number++) {
    put(buffer, 'pump-1', `${number}`)
    await buffer.inlet('pump-1').stored()
  }
  // Also after the second one, when the batch is taken and more waits behind what was cut then.
  for (const taken of [0, 1]) {
    if (taken > 0) await takeRecords(buffer, 'pump-1', 1)
    put(buffer, 'pump-1', 'behind')
    await buffer.inlet('pump-1').stored()
    expect(await looksWhileIdle()).toBeLessThan(LOOKS_MAX)
  }
  const left = recordsOf(await takeRecords(buffer, 'pump-1', 6))
  expect(left.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6])
})

test('of a backlog of small blocks that is longer than what is known of it, several batches are cut ahead of the link', async () => {
  const buffer = await bench.open({ limits: { uncutWindow: 4 } })
  for (let number = 0; number < 40; number++) {
    put(buffer, 'pump-1', `${number}`)
    await buffer.inlet('pump-1').stored()
  }
  const outlet = outletOf(buffer)
  await outlet.assign(ASSIGNMENT)
  buffer.attachLink(() => {})
  await buffer.inlet('pump-1').stored()
  for (let turn = 0; turn < TURNS; turn++) await new Promise(resolve => setImmediate(resolve))
  const counts: number[] = []
  for (let batch = outlet.take(); batch && counts.length < 3; batch = outlet.take()) counts.push(batch.count)
  expect(counts).toEqual([4, 4, 4])
})
