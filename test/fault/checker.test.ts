import { describe, expect, test } from 'vitest'
import { type ConsumedRecord, check, isClean } from './checker.ts'

const KEY = 'plant-a-1/source-1'
const RECORDS = 50

function payload(number: number): Buffer {
  return Buffer.from(`record ${number}`)
}

function expectation() {
  return { sources: new Map([[KEY, { partition: 3, records: RECORDS, payload }]]) }
}

/** What lies in the partition where nothing went wrong; the device's record numbers can be given. */
function partition(numbers = [...Array(RECORDS).keys()]): ConsumedRecord[] {
  return numbers.map((number, offset) => ({
    partition: 3,
    offset,
    key: KEY,
    value: payload(number),
    headers: { seq: String(offset) },
  }))
}

function without(number: number): number[] {
  return [...Array(RECORDS).keys()].filter(each => each !== number)
}

const gap = (records: number) =>
  JSON.stringify({ records, from: '2026-01-01T00:00:00.000Z', to: '2026-01-01T00:00:01.000Z', reason: 'buffer_full' })

describe('the checker', () => {
  test('finds nothing where nothing is wrong', () => {
    expect(isClean(check(expectation(), partition()))).toBe(true)
  })

  test('takes a gap that is declared, and no more', () => {
    const records = partition(without(20))
    records[20] = { ...(records[20] as ConsumedRecord), headers: { seq: '20', gap: gap(1) } }
    expect(check(expectation(), records)).toMatchObject({ lost: 0, declaredLost: 1, findings: [] })
    records.splice(30, 1)
    expect(check(expectation(), records).lost).toBe(1)
  })

  const broken: Record<string, () => ConsumedRecord[]> = {
    'a record is missing at the end': () => partition().slice(0, -1),
    'a record is missing in the middle, and the offsets close up': () => partition(without(20)),
    'a record is there twice': () => partition([...without(-1), 7]),
    'two records changed places': () => partition(without(-1).with(10, 11).with(11, 10)),
    'a byte is another': () => partition().with(5, { ...(partition()[5] as ConsumedRecord), value: Buffer.from('record ?') }),
    'offsets have a hole': () =>
      partition().map(record => (record.offset < 9 ? record : { ...record, offset: record.offset + 1 })),
    'the sequence is not the offset': () => partition().with(5, { ...(partition()[5] as ConsumedRecord), headers: { seq: '6' } }),
    'the key is of another source': () => partition().with(5, { ...(partition()[5] as ConsumedRecord), key: 'plant-b/source-1' }),
    'a value is missing and nothing says why': () => partition().with(5, { ...(partition()[5] as ConsumedRecord), value: null }),
    'somebody else wrote to a partition': () => [
      ...partition(),
      { partition: 4, offset: 0, key: null, value: payload(0), headers: {} },
    ],
  }
  test.each(Object.entries(broken))('sees that %s', (_what, make) => {
    const verdict = check(expectation(), make())
    expect(isClean(verdict)).toBe(false)
    expect(verdict.findings.length).toBeGreaterThan(0)
  })
})
