import { afterEach, beforeEach, expect, test } from 'vitest'
import type { EdgeBuffer } from '../../src/buffer/buffer.ts'
import { openInlineStore } from '../../src/buffer/inline-store.ts'
import { VALUE_BYTES_MAX } from '../../src/buffer/source-buffer.ts'
import { HeadraceError } from '../../src/runtime/errors.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { ASSIGNMENT, Bench, declared, type OpenOptions, outletOf, put, recordsOf } from './harness.ts'

let bench: Bench
let clock: SimulatedClock
beforeEach(() => {
  bench = new Bench()
  clock = new SimulatedClock()
})
afterEach(() => bench.end())

type Refusal = 'disk_full' | 'buffer_corrupt'

/** A buffer whose disk refuses commits so while that is set. */
function onRefusingDisk(disk: { refuses: Refusal | undefined }, options: OpenOptions = {}): Promise<EdgeBuffer> {
  return bench.open({
    clock,
    ...options,
    openStore: place => {
      const store = openInlineStore(place)
      const commit: typeof store.commit = async what => {
        if (disk.refuses) throw new HeadraceError(disk.refuses, 'the disk refuses it')
        return store.commit(what)
      }
      return { ...store, commit }
    },
  })
}

/** All that the link can have now. */
function takeAll(buffer: EdgeBuffer) {
  const outlet = outletOf(buffer)
  const batches = []
  for (let batch = outlet.take(); batch; batch = outlet.take()) batches.push(batch)
  return recordsOf(batches)
}

function giveUp(buffer: EdgeBuffer): void {
  const bytes = Buffer.alloc(VALUE_BYTES_MAX + 1)
  expect(buffer.inlet('pump-1').append(clock.wallMs(), bytes, 0, bytes.length)).toBe('too_large')
}

test('a gap that a silent source was to declare while the disk was full is declared once it has room: it was forgotten', async () => {
  const disk: { refuses: Refusal | undefined } = { refuses: undefined }
  const buffer = await onRefusingDisk(disk)
  await outletOf(buffer).assign(ASSIGNMENT)
  buffer.attachLink(() => {})
  giveUp(buffer)
  await clock.pass(5_000)
  disk.refuses = 'disk_full'
  await clock.pass(90_000)
  disk.refuses = undefined
  await clock.pass(90_000)
  expect(declared(takeAll(buffer))).toBe(1)
})

test('what a damaged database held is declared though the commits after it was moved aside are refused', async () => {
  const disk: { refuses: Refusal | undefined } = { refuses: undefined }
  const buffer = await onRefusingDisk(disk)
  await outletOf(buffer).assign(ASSIGNMENT)
  for (let record = 0; record < 5; record++) put(buffer, 'pump-1', `lost ${record}`, clock.wallMs())
  await clock.pass(1_000)
  disk.refuses = 'buffer_corrupt'
  put(buffer, 'pump-1', 'in memory', clock.wallMs())
  await clock.pass(500)
  disk.refuses = 'disk_full'
  await clock.pass(5_000)
  disk.refuses = undefined
  buffer.attachLink(() => {})
  await clock.pass(120_000)
  const records = takeAll(buffer)
  expect(records.map(({ text }) => text)).toEqual(['in memory'])
  expect(declared(records)).toBe(5)
})

test('a gap that the next record carries is still said after a power cut that takes the record: its row was written without it before', async () => {
  const buffer = await onRefusingDisk({ refuses: undefined }, { sources: { 'pump-1': { durabilityMs: 60_000 } } })
  await outletOf(buffer).assign(ASSIGNMENT)
  put(buffer, 'pump-1', 'first', clock.wallMs())
  giveUp(buffer)
  await clock.pass(2_000)
  buffer.attachLink(() => {})
  await clock.pass(2_000)
  put(buffer, 'pump-1', 'not yet stored', clock.wallMs())
  await clock.pass(5_000)
  const after = bench.cut()
  const again = await after.open({ clock })
  again.attachLink(() => {})
  await clock.pass(120_000)
  const records = takeAll(again)
  await after.end()
  expect(records.map(({ text }) => text)).toEqual(['first', null])
  expect(declared(records)).toBe(1)
})
