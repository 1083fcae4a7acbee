import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { EdgeBuffer } from '../../src/buffer/buffer.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { ASSIGNMENT, Bench, outletOf, put, recordsOf } from './harness.ts'

const FREEZE = { code: 'log_ahead', message: 'm', advice: 'a' }
const RESUMED = { ...ASSIGNMENT, epoch: 1, epochStart: 500 }

let bench: Bench
let clock: SimulatedClock
beforeEach(() => {
  bench = new Bench()
  clock = new SimulatedClock()
})
afterEach(() => bench.end())

async function putEach(buffer: EdgeBuffer, texts: readonly string[]): Promise<void> {
  for (const text of texts) {
    put(buffer, 'pump-1', text, clock.wallMs())
    await clock.pass(100)
  }
}

/** All that the link gets within some seconds: what is small is cut once what was cut before it is taken. */
async function takeAll(buffer: EdgeBuffer): Promise<string[]> {
  const batches = []
  for (let second = 0; second < 5; second++) {
    await clock.pass(1_000)
    for (let batch = outletOf(buffer).take(); batch; batch = outletOf(buffer).take()) batches.push(batch)
  }
  return recordsOf(batches).flatMap(({ text }) => (text === null ? [] : [text]))
}

test.each(['before it was frozen', 'while it is frozen', 'after another start'])(
  'of an older copy of a disk only what lay there is set aside at the resume: newer records went with it, one for each block that had expired %s',
  async when => {
    const sources = { 'pump-1': { ttlMs: 60_000 } }
    const first = await bench.open({ clock, sources })
    await outletOf(first).assign(ASSIGNMENT)
    await putEach(first, ['old 1', 'old 2'])
    await bench.close(first)
    await clock.pass(30_000)
    let buffer = await bench.open({ clock, sources })
    if (when === 'before it was frozen') await clock.pass(32_000)
    await putEach(buffer, ['new 1', 'new 2', 'new 3'])
    await outletOf(buffer).freeze(FREEZE)
    if (when === 'after another start') {
      await bench.close(buffer)
      buffer = await bench.open({ clock, sources })
    }
    if (when !== 'before it was frozen') await clock.pass(32_000)
    const left = outletOf(buffer).buffered().records
    await outletOf(buffer).resume(RESUMED, 500)
    buffer.attachLink(() => {})
    expect(left).toBe(3)
    expect(await takeAll(buffer)).toEqual(['new 1', 'new 2', 'new 3'])
  },
)

test('whoever is told of a batch and fails does not make the buffer store the records twice', async () => {
  const buffer = await bench.open({ clock })
  await outletOf(buffer).assign(ASSIGNMENT)
  let isFailing = true
  buffer.attachLink(() => {
    if (isFailing) throw new Error('no space left on device')
  })
  put(buffer, 'pump-1', randomBytes(8).toString('hex'), clock.wallMs())
  await clock.pass(100)
  isFailing = false
  expect(await takeAll(buffer)).toHaveLength(1)
})

test('a database that is lost after a resume goes on under the epoch of that resume: it was frozen once more, as an older copy', async () => {
  const first = await bench.open({ clock })
  await outletOf(first).assign(ASSIGNMENT)
  first.attachLink(() => {})
  await putEach(first, ['before'])
  await takeAll(first)
  await outletOf(first).freeze(FREEZE)
  await outletOf(first).resume(RESUMED, 500)
  await bench.close(first)
  bench.loseDatabase()
  const again = await bench.open({ clock })
  expect(outletOf(again).assignment).toEqual(RESUMED)
})
