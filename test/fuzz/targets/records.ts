import { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { AT, BATCH_HEADER_BYTES, BATCH_PREFIX_BYTES } from '../../../src/record/batch-header.ts'
import { readHeaders, visitRecords } from '../../../src/record/batch-reader.ts'
import { checkIncomingBatch } from '../../../src/record/check-batch.ts'
import { crc32c } from '../../../src/record/crc32c.ts'
import { parseGap } from '../../../src/record/gap.ts'
import { zstdBound } from '../../../src/record/zstd-frame.ts'
import { HeadraceError } from '../../../src/runtime/errors.ts'
import { encode, SOMEBODY } from '../../record/samples.ts'
import { anyBytes, mutated } from '../harness/bytes.ts'
import { target } from '../harness/target.ts'

const RECORDS = [1, 2, 3].map(number => ({
  timeMs: number,
  value: Buffer.from(`reading ${number}`),
  headers: [{ key: 'gap', value: Buffer.from('{"records":1}') }],
}))
const BATCHES = (['none', 'zstd', 'gzip'] as const).map(codec => encode(SOMEBODY, RECORDS, codec).bytes)
const FRAMES = [Buffer.alloc(0), Buffer.from('abc'), Buffer.alloc(300_000), Buffer.alloc(5_000, 'ab')].map(each =>
  zstdCompressSync(each),
)
const LIMIT_BYTES = 1_000_000

/** Compressed records within compressed records, of sizes that no header tells. */
const bomb = fc.tuple(fc.constantFrom(1 as const, 4 as const), fc.integer({ min: 1, max: 20 })).map(([codec, mebibytes]) => {
  const plain = Buffer.alloc(mebibytes * 2 ** 20)
  const records = codec === 1 ? gzipSync(plain) : zstdCompressSync(plain)
  return Buffer.concat([header(codec), records])
})

function header(codec: number): Buffer {
  const bytes = Buffer.from((BATCHES[0] as Buffer).subarray(0, BATCH_HEADER_BYTES))
  bytes.writeInt16BE(codec, AT.attributes)
  return bytes
}

/** With a length and a CRC that fit. */
function fitting(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  copy.writeInt32BE(copy.length - BATCH_PREFIX_BYTES, AT.batchLength)
  copy.writeUInt32BE(crc32c(copy.subarray(AT.attributes)), AT.crc)
  return copy
}

function refusedInItsWords(act: () => void, code: string): void {
  try {
    act()
  } catch (error) {
    if (!(error instanceof HeadraceError) || !error.code.startsWith(code)) throw error
  }
}

export const targets = [
  target({
    name: 'batches: changed anywhere under a CRC that fits, they are read or refused',
    input: fc.record({
      bytes: fc.oneof({ weight: 60, arbitrary: mutated(BATCHES) }, { weight: 1, arbitrary: bomb }),
      crc: fc.boolean(),
    }),
    runs: 800,
    run({ bytes, crc }) {
      const batch = crc && bytes.length >= BATCH_HEADER_BYTES ? fitting(bytes) : bytes
      const expected = { sequence: 150, count: 3, producerId: 7, epoch: 2, epochStart: 100 }
      const checked = checkIncomingBatch(batch, expected)
      refusedInItsWords(() => {
        let records = 0
        visitRecords(
          batch,
          view => {
            records += 1
            for (const { key, value } of readHeaders(view)) if (key === 'gap') parseGap(value)
          },
          { decompressedBytesMax: LIMIT_BYTES },
        )
        if (checked.ok && records !== expected.count) throw new Error(`the check passed ${records} records as ${expected.count}`)
      }, 'batch_')
    },
  }),
  target({
    name: 'zstd: the bound of a frame is never below what it becomes',
    input: fc.oneof(mutated(FRAMES), anyBytes(100)),
    runs: 1_500,
    run(frame) {
      const bound = zstdBound(frame)
      if (typeof bound === 'string' || bound > LIMIT_BYTES) return
      const bytes = fitting(Buffer.concat([header(4), frame]))
      refusedInItsWords(() => void visitRecords(bytes, () => {}, { decompressedBytesMax: Math.max(1, bound) }), 'batch_')
      try {
        visitRecords(bytes, () => {}, { decompressedBytesMax: Math.max(1, bound) })
      } catch (error) {
        if (error instanceof HeadraceError && error.code === 'batch_too_large')
          throw new Error(`it became more than its bound, ${bound}`)
      }
    },
  }),
]
