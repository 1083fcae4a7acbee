import { expect, test } from 'vitest'
import { decodeBatch } from '../../src/record/batch-reader.ts'
import { BatchWriter } from '../../src/record/batch-writer.ts'
import { gapHeader, joinGaps, parseGap } from '../../src/record/gap.ts'
import { encodePlaceholder } from '../../src/record/placeholder.ts'
import type { Gap } from '../../src/record/record.ts'

const EARLY: Gap = { records: 3, from: '2026-01-01T00:00:00.000Z', to: '2026-01-01T00:01:00.000Z', reason: 'expired' }
const LATE: Gap = { records: 4, from: '2026-01-02T00:00:00.000Z', to: '2026-01-02T00:01:00.000Z', reason: 'buffer_full' }

test('a gap is read as it was written', () => {
  expect(parseGap(gapHeader(EARLY).value)).toEqual(EARLY)
})

test.each(['', '{', '{"records":-1}', '{"records":1,"from":"","to":"","reason":"because"}', 'null'])('%j is no gap', text => {
  expect(parseGap(Buffer.from(text))).toBeUndefined()
})

test('two gaps together count both and span both', () => {
  expect(joinGaps(EARLY, LATE)).toEqual({ records: 7, from: EARLY.from, to: LATE.to, reason: 'buffer_full' })
  // A clock that jumped back gives the later gap the earlier times.
  expect(joinGaps(LATE, EARLY)).toMatchObject({ records: 7, from: EARLY.from, to: LATE.to })
  expect(joinGaps(undefined, LATE)).toEqual(LATE)
  expect(joinGaps(EARLY, undefined)).toEqual(EARLY)
  expect(joinGaps(undefined, undefined)).toBeUndefined()
})

test('a placeholder holds its numbers, has no values, and says once what is missing', () => {
  const identity = { key: 'gw/s', producerId: 1, epoch: 0, epochStart: 0, sequence: 998 }
  const batch = encodePlaceholder(new BatchWriter(), identity, { count: 5, timeMs: 9, gap: LATE })
  const records = decodeBatch(batch.bytes)
  expect(batch).toMatchObject({ sequence: 998, count: 5 })
  expect(records.map(({ value }) => value)).toEqual([null, null, null, null, null])
  expect(records.map(({ headers }) => headers.map(({ key }) => key).join())).toEqual(['seq,gap', 'seq', 'seq', 'seq', 'seq'])
  expect(records.map(({ headers }) => headers[0]?.value.toString())).toEqual(['998', '999', '1000', '1001', '1002'])
})
