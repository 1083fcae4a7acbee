import { randomBytes } from 'node:crypto'
import { afterEach, expect, test } from 'vitest'
import type { EdgeBuffer } from '../../src/buffer/buffer.ts'
import { ASSIGNMENT, Bench, isContiguous, outletOf, put, recordsOf, takeRecords } from './harness.ts'

const LIMIT_BYTES = 20_000
const SMALL = { ...ASSIGNMENT, batchBytesMax: LIMIT_BYTES }

let bench: Bench
afterEach(() => bench.end())

/** Text that does not compress. */
const noise = (bytes: number) =>
  randomBytes(Math.ceil(bytes / 2))
    .toString('hex')
    .slice(0, bytes)

/** What was given comes out again, in order; gives the sizes of the batches. */
async function sizesOf(buffer: EdgeBuffer, given: readonly string[]): Promise<number[]> {
  const batches = await takeRecords(buffer, 'pump-1', given.length)
  const records = recordsOf(batches)
  expect(isContiguous(records)).toBe(true)
  expect(records.map(({ text }) => text)).toEqual(given)
  return batches.map(({ bytes }) => bytes.length)
}

function giveNoise(buffer: EdgeBuffer, records: number, bytes: number): string[] {
  const given = Array.from({ length: records }, () => noise(bytes))
  for (const text of given) put(buffer, 'pump-1', text)
  return given
}

test.each(['inline', 'thread'] as const)(
  'a backlog that was merged into batches larger than the topic takes went to the dead letters: it is cut to what the core says (%s)',
  async worker => {
    bench = new Bench()
    const buffer = await bench.open({ worker })
    const given = giveNoise(buffer, 3_000, 100)
    await buffer.inlet('pump-1').stored()
    await outletOf(buffer).assign(SMALL)
    buffer.attachLink(() => {})
    const sizes = await sizesOf(buffer, given)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(LIMIT_BYTES)
    // Not one for each record either.
    expect(sizes.length).toBeLessThan(60)
  },
)

test('what is cut as it comes is no larger either', async () => {
  bench = new Bench()
  const buffer = await bench.open({ sources: { 'pump-1': { durabilityMs: 50 } } })
  await outletOf(buffer).assign(SMALL)
  buffer.attachLink(() => {})
  const given = giveNoise(buffer, 1_000, 100)
  expect(Math.max(...(await sizesOf(buffer, given)))).toBeLessThanOrEqual(LIMIT_BYTES)
})

test('a record that is larger than the topic takes has a batch of its own: nothing else goes with it to the dead letters', async () => {
  bench = new Bench()
  const buffer = await bench.open()
  const given = [...giveNoise(buffer, 20, 100), ...giveNoise(buffer, 1, 2 * LIMIT_BYTES), ...giveNoise(buffer, 20, 100)]
  await buffer.inlet('pump-1').stored()
  await outletOf(buffer).assign(SMALL)
  buffer.attachLink(() => {})
  const batches = await takeRecords(buffer, 'pump-1', given.length)
  expect(recordsOf(batches).map(({ text }) => text)).toEqual(given)
  expect(batches.filter(({ bytes }) => bytes.length > LIMIT_BYTES).map(({ sequence, count }) => [sequence, count])).toEqual([
    [20, 1],
  ])
})

test('what was cut before the topic took less stays as it was cut; what is cut afterwards is smaller', async () => {
  bench = new Bench()
  const buffer = await bench.open({ sources: { 'pump-1': { durabilityMs: 50 } } })
  await outletOf(buffer).assign(ASSIGNMENT)
  buffer.attachLink(() => {})
  const before = giveNoise(buffer, 400, 100)
  const [first] = await takeRecords(buffer, 'pump-1', before.length)
  expect(first?.bytes.length).toBeGreaterThan(LIMIT_BYTES)
  await outletOf(buffer).assign(SMALL)
  await outletOf(buffer).rewind(0)
  const [again] = await takeRecords(buffer, 'pump-1', before.length)
  expect(again?.bytes.equals(first?.bytes ?? Buffer.alloc(0))).toBe(true)
  const after = giveNoise(buffer, 300, 100)
  const later = await takeRecords(buffer, 'pump-1', after.length)
  expect(Math.max(...later.map(({ bytes }) => bytes.length))).toBeLessThanOrEqual(LIMIT_BYTES)
})

test('the limit is known again after a restart, before the core is heard', async () => {
  bench = new Bench()
  const buffer = await bench.open()
  await outletOf(buffer).assign(SMALL)
  await bench.close(buffer)
  expect(outletOf(await bench.open()).assignment).toEqual(SMALL)
})
