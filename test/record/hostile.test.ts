import { randomBytes } from 'node:crypto'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AT, BATCH_HEADER_BYTES } from '../../src/record/batch-header.ts'
import { decodeBatch } from '../../src/record/batch-reader.ts'
import { checkIncomingBatch, type ExpectedBatch } from '../../src/record/check-batch.ts'
import { CODEC } from '../../src/record/record.ts'
import { zstdBound } from '../../src/record/zstd-frame.ts'
import { HeadraceError } from '../../src/runtime/errors.ts'
import { encode, record, SOMEBODY, tampered } from './samples.ts'

const RECORDS = [1, 2, 3].map(number => ({ timeMs: number, value: Buffer.from(`reading ${number}`), headers: [] }))
const BATCH = encode(SOMEBODY, RECORDS, 'none').bytes
const EXPECTED: ExpectedBatch = { sequence: 150, count: 3, producerId: 7, epoch: 2, epochStart: 100 }

/** Decodes, or gives the code of the error; anything but a named error fails the test. */
function outcome(bytes: Buffer): string {
  try {
    decodeBatch(bytes, { decompressedBytesMax: 1_000_000 })
    return 'decoded'
  } catch (error) {
    if (!(error instanceof HeadraceError) || !error.code.startsWith('batch_')) throw error
    return error.code
  }
}

describe('the reader', () => {
  test.each(['none', 'zstd', 'gzip'] as const)('cut off anywhere (%s) it is truncated', codec => {
    const { bytes } = encode(SOMEBODY, RECORDS, codec)
    for (let length = 0; length < bytes.length; length++) {
      expect(outcome(bytes.subarray(0, length))).toBe('batch_truncated')
    }
  })

  test.each(['none', 'zstd'] as const)('with any one bit turned over (%s) it is refused, or reads as before', codec => {
    const { bytes } = encode(SOMEBODY, RECORDS, codec)
    const before = JSON.stringify(decodeBatch(bytes).map(({ value }) => value))
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const turned = Buffer.from(bytes)
      turned[bit >> 3] = (turned[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const came = outcome(turned)
      // What the CRC does not cover is the base offset and the leader's epoch: the log's own.
      if (came === 'decoded') expect(JSON.stringify(decodeBatch(turned).map(({ value }) => value))).toBe(before)
      else expect(came).toMatch(/^batch_/)
      if (bit >> 3 >= AT.crc) expect(came).not.toBe('decoded')
    }
  })

  test('any bytes at all, and any bytes in the place of records under a CRC that fits', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), array => void outcome(Buffer.from(array))),
      { numRuns: 2_000 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), array => {
        const bytes = tampered(BATCH, batch => Buffer.concat([batch.subarray(0, BATCH_HEADER_BYTES), Buffer.from(array)]))
        expect(outcome(bytes)).toMatch(/^batch_/)
      }),
      { numRuns: 3_000 },
    )
  })

  test('any byte of its records changed under a CRC that fits', () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 4 }), fc.nat(), fc.nat(255), (records, at, value) => {
        const { bytes } = encode(SOMEBODY, records, 'none')
        outcome(
          tampered(bytes, batch => {
            batch[BATCH_HEADER_BYTES + (at % (batch.length - BATCH_HEADER_BYTES))] = value
            return undefined
          }),
        )
      }),
      { numRuns: 3_000 },
    )
  })

  test.each([
    ['zstd', CODEC.zstd, (plain: Buffer) => zstdCompressSync(plain)],
    ['gzip', CODEC.gzip, (plain: Buffer) => gzipSync(plain)],
  ] as const)('a bomb (%s) is refused before it has grown', (_name, codec, compress) => {
    const bomb = compress(Buffer.alloc(50_000_000))
    const bytes = tampered(BATCH, batch => {
      const grown = Buffer.concat([batch.subarray(0, BATCH_HEADER_BYTES), bomb])
      grown.writeInt16BE(codec, AT.attributes)
      return grown
    })
    const before = process.memoryUsage().arrayBuffers
    expect(outcome(bytes)).toBe('batch_too_large')
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20_000_000)
  })

  test('two thousand million records that are not there', () => {
    const bytes = tampered(BATCH, batch => {
      batch.writeInt32BE(0x7fffffff, AT.recordCount)
      batch.writeInt32BE(0x7ffffffe, AT.lastOffsetDelta)
      return undefined
    })
    expect(outcome(bytes)).toBe('batch_malformed')
  })
})

describe('the check at the ingress', () => {
  const check = (bytes: Buffer, expected: Partial<ExpectedBatch> = {}) => {
    const checked = checkIncomingBatch(bytes, { ...EXPECTED, ...expected })
    return checked.ok ? 'ok' : checked.reason
  }

  test('takes what was announced, compressed or not', () => {
    expect(check(BATCH)).toBe('ok')
    expect(check(encode(SOMEBODY, RECORDS, 'zstd').bytes)).toBe('ok')
  })

  test.each([
    ['another producer', { producerId: 8 }, 'not_this_producer'],
    ['another epoch', { epoch: 3 }, 'not_this_producer'],
    ['another number', { sequence: 151 }, 'not_this_sequence'],
    ['a number before the epoch', { sequence: 99 }, 'not_this_sequence'],
    ['another count', { count: 2 }, 'not_this_sequence'],
  ] as const)('%s than announced', (_what, expected, reason) => {
    expect(check(BATCH, expected)).toBe(reason)
  })

  const set = (change: (batch: Buffer) => unknown) =>
    tampered(BATCH, batch => {
      change(batch)
      return undefined
    })

  test.each([
    ['transactional', set(batch => batch.writeInt16BE(0x10, AT.attributes)), 'unsupported'],
    ['control', set(batch => batch.writeInt16BE(0x20, AT.attributes)), 'unsupported'],
    ['with the time of arrival', set(batch => batch.writeInt16BE(0x08, AT.attributes)), 'unsupported'],
    ['snappy', set(batch => batch.writeInt16BE(CODEC.snappy, AT.attributes)), 'unsupported'],
    ['gzip', encode(SOMEBODY, RECORDS, 'gzip').bytes, 'unsupported'],
    ['with an offset of its own', set(batch => batch.writeBigInt64BE(5n, AT.baseOffset)), 'malformed'],
    ['with a hole in its offsets', set(batch => batch.writeInt32BE(9, AT.lastOffsetDelta)), 'malformed'],
    ['followed by another batch', Buffer.concat([BATCH, BATCH]), 'malformed'],
    ['cut off', BATCH.subarray(0, 80), 'malformed'],
    ['shorter than a header', BATCH.subarray(0, 20), 'truncated'],
    ['larger than a broker takes', Buffer.alloc(1_000_001), 'too_large'],
  ] as const)('%s', (_what, bytes, reason) => {
    expect(check(bytes)).toBe(reason)
  })

  test('a bomb is told by its frame alone', () => {
    const bomb = zstdCompressSync(Buffer.alloc(80_000_000))
    const bytes = tampered(BATCH, batch => {
      const grown = Buffer.concat([batch.subarray(0, BATCH_HEADER_BYTES), bomb])
      grown.writeInt16BE(CODEC.zstd, AT.attributes)
      return grown
    })
    expect(check(bytes)).toBe('too_large')
  })

  test('more records than its bytes can hold', () => {
    const bytes = set(batch => {
      batch.writeInt32BE(1_000, AT.recordCount)
      batch.writeInt32BE(999, AT.lastOffsetDelta)
    })
    expect(check(bytes, { count: 1_000 })).toBe('malformed')
  })

  test('never throws, whatever comes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), array => check(Buffer.from(array)) !== 'ok'),
      { numRuns: 3_000 },
    )
  })
})

describe('the bound of a zstd frame', () => {
  test('is never below what it becomes', () => {
    fc.assert(
      fc.property(fc.nat(400_000), fc.boolean(), (size, compressible) => {
        const plain = compressible ? Buffer.alloc(size, 'ab') : randomBytes(size)
        const bound = zstdBound(zstdCompressSync(plain))
        expect(typeof bound).toBe('number')
        expect(bound).toBeGreaterThanOrEqual(plain.length)
      }),
      { numRuns: 60 },
    )
  })

  test('two frames, a cut one, and what is none are told', () => {
    const frame = zstdCompressSync(Buffer.from('hello hello hello'))
    expect(zstdBound(Buffer.concat([frame, frame]))).toEqual(expect.any(String))
    for (let length = 0; length < frame.length; length++) expect(zstdBound(frame.subarray(0, length))).toEqual(expect.any(String))
    expect(zstdBound(Buffer.from('no frame at all'))).toEqual(expect.any(String))
  })
})
