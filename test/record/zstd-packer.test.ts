import { createHook } from 'node:async_hooks'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compress } from '../../src/record/compression.ts'
import { ZstdPacker } from '../../src/record/zstd-packer.ts'
import { SeededRandom } from '../support/random.ts'

/** Letters, which shrink, or bytes that do not. */
function bytesOf(size: number, seed: number, shrinks: boolean): Buffer {
  const random = new SeededRandom(seed)
  const bytes = Buffer.alloc(size)
  for (let at = 0; at < size; at++) bytes[at] = shrinks ? 97 + random.next() * 4 : random.next() * 256
  return bytes
}

const plain = fc.record({ size: fc.nat(200_000), seed: fc.nat(), shrinks: fc.boolean() })

test('one packer makes of many, one after another, what a compressor of their own makes of each', () => {
  fc.assert(
    fc.property(fc.array(plain, { minLength: 1, maxLength: 4 }), given => {
      const packer = new ZstdPacker()
      for (const { size, seed, shrinks } of given) {
        const bytes = bytesOf(size, seed, shrinks)
        expect(packer.pack(bytes).equals(compress('zstd', bytes))).toBe(true)
      }
    }),
    { numRuns: 10 },
  )
})

test('what does not shrink, and nothing at all, has room', () => {
  const packer = new ZstdPacker()
  for (const size of [0, 1, 2, 63, 64, 131_071, 131_072, 131_073, 900_000]) {
    const bytes = bytesOf(size, size, false)
    expect(packer.pack(bytes).equals(compress('zstd', bytes))).toBe(true)
  }
})

test('it makes one context, and memory once, however much it packs', () => {
  const bytes = Buffer.alloc(200_000, 'ab')
  const packer = new ZstdPacker()
  const { buffer } = packer.pack(bytes)
  const contexts = contextsMadeBy(() => {
    for (let round = 0; round < 50; round++) expect(packer.pack(bytes.subarray(round)).buffer).toBe(buffer)
  })
  expect(contexts).toBe(0)
  expect(contextsMadeBy(() => new ZstdPacker().pack(bytes))).toBe(1)
  expect(contextsMadeBy(() => compress('zstd', bytes))).toBe(1)
})

/** Node says of each stream of zlib that it is made. */
function contextsMadeBy(work: () => void): number {
  let made = 0
  const hook = createHook({
    init: (_id, type) => {
      if (type === 'ZLIB') made += 1
    },
  }).enable()
  work()
  hook.disable()
  return made
}
