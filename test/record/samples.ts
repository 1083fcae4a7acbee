import fc from 'fast-check'
import { AT, readBatchHeader } from '../../src/record/batch-header.ts'
import { BatchWriter } from '../../src/record/batch-writer.ts'
import { crc32c } from '../../src/record/crc32c.ts'
import type { CodecName, RecordHeader } from '../../src/record/record.ts'

export interface SampleRecord {
  readonly timeMs: number
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
}

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map(array => Buffer.from(array))

export const record: fc.Arbitrary<SampleRecord> = fc.record({
  timeMs: fc.oneof(fc.integer({ min: 0, max: 4_102_444_800_000 }), fc.constantFrom(0, 1, 2 ** 31, 2 ** 42)),
  value: fc.option(bytes(300), { nil: null }),
  headers: fc.array(fc.record({ key: fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme' }), value: bytes(40) }), {
    maxLength: 3,
  }),
})

export const identity = fc.record({
  key: fc.option(fc.string({ maxLength: 80 }), { nil: null }),
  producerId: fc.nat(2 ** 31),
  epoch: fc.nat(32_767),
  epochStart: fc.nat(10 ** 9),
  ahead: fc.oneof(fc.nat(10 ** 6), fc.constantFrom(9, 99, 999, 2 ** 31 - 1, 2 ** 31, 2 ** 33)),
})

export function encode(
  who: { key: string | null; producerId: number; epoch: number; epochStart: number; ahead: number },
  records: readonly SampleRecord[],
  codec: CodecName,
) {
  const writer = new BatchWriter()
  const { ahead, ...rest } = who
  writer.begin({ ...rest, sequence: who.epochStart + ahead })
  for (const { timeMs, value, headers } of records) {
    if (value) writer.append(timeMs, value, 0, value.length, headers)
    else writer.appendNull(timeMs, headers)
  }
  return writer.finish(codec)
}

export const SOMEBODY = { key: 'gw-1/pump-1', producerId: 7, epoch: 2, epochStart: 100, ahead: 50 }

/** A batch whose bytes were changed with the knowledge of how to make its CRC fit: what a hostile peer would send. */
export function tampered(batch: Buffer, change: (bytes: Buffer) => Buffer | undefined): Buffer {
  const copy = Buffer.from(batch)
  const changed = change(copy) ?? copy
  changed.writeInt32BE(changed.length - 12, AT.batchLength)
  changed.writeUInt32BE(crc32c(changed.subarray(AT.attributes)), AT.crc)
  readBatchHeader(changed)
  return changed
}
