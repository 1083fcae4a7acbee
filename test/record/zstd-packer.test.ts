import { createHook } from 'node:async_hooks'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compress } from '../../src/record/compression.ts'
import { ZstdPacker } from '../../src/record/zstd-packer.ts'
import { SeededRandom } from '../support/random.ts'

/** Half of them shrink, half do not. */
const plain = fc.tuple(fc.nat(300_000), fc.nat(), fc.boolean()).map(([size, seed, shrinks]) => {
  const random = new SeededRandom(seed)
  return Buffer.from(Array.from({ length: size }, () => random.between(shrinks ? 97 : 0, shrinks ? 101 : 256)))
})

test('one packer makes of many, one after another, what a compressor of their own makes of each', () => {
  fc.assert(
    fc.property(fc.array(plain, { minLength: 1, maxLength: 6 }), given => {
      const packer = new ZstdPacker()
      for (const bytes of given) expect(packer.pack(bytes).equals(compress('zstd', bytes))).toBe(true)
    }),
    { numRuns: 20 },
  )
})

test('what does not shrink, and nothing at all, has room', () => {
  const packer = new ZstdPacker()
  const random = new SeededRandom(1)
  for (const size of [0, 1, 2, 63, 64, 131_071, 131_072, 131_073, 900_000]) {
    const bytes = Buffer.from(Array.from({ length: size }, () => random.between(0, 256)))
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
