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

  test('passes over what was at risk, and the rest of a record that went with the process that had read half of it', () => {
    const source = { partition: 3, records: RECORDS, payload, atRisk: (number: number) => number >= 20 && number < 24 }
    const records = partition([...without(-1).slice(0, 20), ...without(-1).slice(23)])
    const rest = Buffer.from(payload(23).subarray(3))
    records[20] = { ...(records[20] as ConsumedRecord), value: rest }
    expect(check({ sources: new Map([[KEY, source]]) }, records)).toMatchObject({ lost: 0, atRisk: 4, findings: [] })
    expect(check(expectation(), records).findings.length).toBeGreaterThan(0)
  })

  test('counts what is declared and was not missing', () => {
    const records = partition()
    records[20] = { ...(records[20] as ConsumedRecord), headers: { seq: '20', gap: gap(3) } }
    expect(check(expectation(), records)).toMatchObject({ lost: 0, declaredLost: 3, overdeclared: 3 })
  })

  test('does not take a gap that is declared later for one that is missing before', () => {
    const records = partition(without(20))
    records[30] = { ...(records[30] as ConsumedRecord), headers: { seq: '30', gap: gap(1) } }
    expect(check(expectation(), records).findings.length).toBeGreaterThan(0)
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
