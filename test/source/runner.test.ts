import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { defineSource, type SourceContext } from '../../src/source/source.ts'
import { SourceBench } from './harness.ts'

let bench: SourceBench
beforeEach(() => {
  bench = new SourceBench()
})
afterEach(() => bench.end())

/** Starts a source that a test speaks for. */
function start(how: Parameters<SourceBench['start']>[2]): SourceContext {
  const opened: { context?: SourceContext } = {}
  const kind = defineSource({
    kind: 'test',
    summary: 'Says what the test says.',
    options: z.strictObject({}),
    gives: 'messages',
    whenFull: 'block',
    open: (_options, context) => {
      opened.context = context
      return { start: async () => {}, stop: async () => {}, pause: () => {}, resume: () => {} }
    },
  })
  bench.start(kind, {}, how)
  if (!opened.context) throw new Error('it was not opened')
  return opened.context
}

/** Bytes that count how often a view of them is made. */
function counted(text: string): { bytes: Buffer; views: () => number } {
  const bytes = Buffer.from(text)
  const { subarray } = bytes
  let views = 0
  bytes.subarray = (from, to) => {
    views += 1
    return subarray.call(bytes, from, to)
  }
  return { bytes, views: () => views }
}

test('a record goes to the buffer without an object of its own, unless its time is read from it', () => {
  const plain = counted('{"t":"2026-01-02T03:04:05Z"}')
  start({}).message(plain.bytes, 7)
  expect(plain.views()).toBe(0)

  const timed = counted('{"t":"2026-01-02T03:04:05Z"}')
  start({ time: { field: 't' }, name: 'source-2' }).message(timed.bytes, 7)
  expect(timed.views()).toBe(1)

  expect(bench.records.map(({ timeMs }) => timeMs)).toEqual([7, Date.parse('2026-01-02T03:04:05Z')])
})
