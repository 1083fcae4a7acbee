import { expect, test } from 'vitest'
import { WireReader, WireWriter } from '../../src/log/kafka/wire.ts'

test('what is large goes out from where it lies, between what is written around it', () => {
  const batches = [Buffer.alloc(5_000, 1), Buffer.alloc(10, 2), Buffer.alloc(70_000, 3)]
  const writer = new WireWriter().string('topic')
  for (const batch of batches) writer.int32(batch[0] ?? 0).bytes(batch)
  const written = writer.int32(7).done()
  expect(written.filter(piece => batches.includes(piece as Buffer<ArrayBuffer>))).toEqual([batches[0], batches[2]])
  const reader = new WireReader(Buffer.concat(written))
  expect(reader.string()).toBe('topic')
  for (const batch of batches) {
    expect(reader.int32()).toBe(batch[0])
    expect(reader.bytes()?.equals(batch)).toBe(true)
  }
  expect(reader.int32()).toBe(7)
})

test('many small things around large ones are all there, in order', () => {
  const writer = new WireWriter()
  const large = Buffer.alloc(4_096, 9)
  for (let number = 0; number < 3_000; number++) {
    writer.int32(number)
    if (number % 500 === 0) writer.raw(large)
  }
  const reader = new WireReader(Buffer.concat(writer.done()))
  for (let number = 0; number < 3_000; number++) {
    expect(reader.int32()).toBe(number)
    if (number % 500 === 0) expect(reader.raw(large.length).equals(large)).toBe(true)
  }
})
