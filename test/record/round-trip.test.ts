import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkBatchCrc, readBatchHeader } from '../../src/record/batch-header.ts'
import { decodeBatch } from '../../src/record/batch-reader.ts'
import { BatchWriter, baseSequenceOf } from '../../src/record/batch-writer.ts'
import { crc32c } from '../../src/record/crc32c.ts'
import { type CodecName, HEADER } from '../../src/record/record.ts'
import { ZstdPacker } from '../../src/record/zstd-packer.ts'
import { encode, identity, record, SOMEBODY } from './samples.ts'

describe.each(['none', 'zstd', 'gzip'] as const)('a batch compressed with %s', (codec: CodecName) => {
  test('gives back what was put in: any records, any identity', () => {
    fc.assert(
      fc.property(identity, fc.array(record, { minLength: 1, maxLength: 40 }), (who, records) => {
        const batch = encode(who, records, codec)
        const header = readBatchHeader(batch.bytes)
        expect(header).toMatchObject({
          baseOffset: 0,
          sizeBytes: batch.bytes.length,
          count: records.length,
          lastOffsetDelta: records.length - 1,
          producerId: who.producerId,
          producerEpoch: who.epoch,
          baseSequence: baseSequenceOf({ ...who, sequence: batch.sequence }),
          baseTimestampMs: records[0]?.timeMs,
          maxTimestampMs: Math.max(...records.map(({ timeMs }) => timeMs)),
        })
        const decoded = decodeBatch(batch.bytes)
        expect(decoded.length).toBe(records.length)
        for (const [index, given] of records.entries()) {
          const { timeMs, value, key, sequence, headers } = decoded[index] as (typeof decoded)[number]
          const [seq, ...others] = headers
          expect(sequence).toBe(index)
          expect(timeMs).toBe(given.timeMs)
          expect(key).toBe(who.key)
          expect(value === null ? null : value.toString('hex')).toBe(given.value === null ? null : given.value.toString('hex'))
          expect(seq).toEqual({ key: HEADER.seq, value: Buffer.from(String(batch.sequence + index)) })
          expect(others).toEqual(given.headers)
        }
      }),
      { numRuns: 150 },
    )
  })

  test('thousands of records, and one of nearly a megabyte', () => {
    const many = Array.from({ length: 20_000 }, (_, index) => ({ timeMs: index, value: Buffer.from(`${index}`), headers: [] }))
    expect(decodeBatch(encode(SOMEBODY, many, codec).bytes).map(({ value }) => Number(value))).toEqual(
      many.map((_, index) => index),
    )
    const large = Buffer.alloc(900_000, 'x')
    expect(decodeBatch(encode(SOMEBODY, [{ timeMs: 1, value: large, headers: [] }], codec).bytes)[0]?.value?.equals(large)).toBe(
      true,
    )
  })
})

test('the same records give the same bytes', () => {
  const records = [{ timeMs: 5, value: Buffer.from('a'), headers: [] }]
  expect(encode(SOMEBODY, records, 'zstd').bytes.equals(encode(SOMEBODY, records, 'zstd').bytes)).toBe(true)
})

test('a writer that keeps its compressor writes the same bytes, each batch in memory of its own', () => {
  const write = (writer: BatchWriter, sequence: number) => {
    writer.begin({ ...SOMEBODY, sequence })
    for (let at = 0; at < 2_000; at++) {
      const value = Buffer.from(`{"n":${sequence + at}}`)
      writer.append(sequence + at, value, 0, value.length)
    }
    return writer.finish('zstd').bytes
  }
  const busy = new BatchWriter(new ZstdPacker())
  const first = write(busy, 1_000)
  const second = write(busy, 3_000)
  expect(first.equals(write(new BatchWriter(), 1_000))).toBe(true)
  expect(second.equals(write(new BatchWriter(), 3_000))).toBe(true)
  expect(first.buffer.byteLength).toBe(first.length)
})

test('the CRC covers everything from the attributes on', () => {
  const { bytes } = encode(SOMEBODY, [{ timeMs: 5, value: Buffer.from('abc'), headers: [] }], 'none')
  for (let at = 21; at < bytes.length; at++) {
    const changed = Buffer.from(bytes)
    changed[at] = (changed[at] ?? 0) ^ 1
    expect(() => checkBatchCrc(changed, { ...readBatchHeader(bytes), sizeBytes: bytes.length })).toThrow(/CRC/)
  }
})

// RFC 3720, B.4: test vectors of CRC-32C.
test.each([
  ['32 zeroes', Buffer.alloc(32), 0x8a9136aa],
  ['32 ones', Buffer.alloc(32, 0xff), 0x62a8ab43],
  ['ascending', Buffer.from(Array.from({ length: 32 }, (_, index) => index)), 0x46dd794e],
  ['descending', Buffer.from(Array.from({ length: 32 }, (_, index) => 31 - index)), 0x113fdb5c],
])('CRC-32C of %s', (_what, bytes, expected) => {
  expect(crc32c(bytes)).toBe(expected)
})
