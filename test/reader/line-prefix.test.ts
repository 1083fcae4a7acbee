import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Bytes, copyBytes } from '../../src/reader/render/copy-bytes.ts'
import { LinePrefix } from '../../src/reader/render/line-prefix.ts'

const written = (sequence: number, timeMs: number) => `{"seq":${sequence},"time_ms":${timeMs},"value`

test('what is written over says the same as what is written anew, whatever follows whatever', () => {
  const step = fc.record({
    jump: fc.oneof(fc.constant(1), fc.integer({ min: 0, max: 2 ** 40 })),
    timeMs: fc.oneof(fc.integer({ min: -2e6, max: 2e6 }), fc.integer({ min: 1.7e12, max: 1.7e12 + 3e6 })),
  })
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1_200 }), fc.array(step, { maxLength: 60 }), (first, steps) => {
      const prefix = new LinePrefix('{"seq":')
      let sequence = first
      for (const { jump, timeMs } of steps) {
        expect(prefix.of(sequence, timeMs).buffer.toString()).toBe(written(sequence, timeMs))
        sequence += jump
      }
    }),
  )
})

test('numbers go up by one through every change of their digits', () => {
  const prefix = new LinePrefix('{"seq":')
  for (let sequence = 0; sequence < 12_000; sequence++)
    expect(prefix.of(sequence, 1_767_999_995_000 + sequence).buffer.toString()).toBe(
      written(sequence, 1_767_999_995_000 + sequence),
    )
})

test('bytes are copied whole at every length and place', () => {
  const from = new Bytes(Buffer.from(Array.from({ length: 2_100 }, (_, index) => index % 251)))
  for (const length of [...Array.from({ length: 20 }, (_, index) => index), 1_023, 1_024, 1_025, 2_000]) {
    for (const [at, start] of [
      [0, 0],
      [3, 1],
      [5, 7],
    ] as const) {
      const into = new Bytes(Buffer.alloc(2_100))
      expect(copyBytes(into, at, from, start, start + length)).toBe(at + length)
      expect(into.buffer.subarray(at, at + length).equals(from.buffer.subarray(start, start + length))).toBe(true)
      expect(into.buffer.subarray(at + length).every(byte => byte === 0)).toBe(true)
    }
  }
})
