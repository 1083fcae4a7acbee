import { afterEach, beforeEach, expect, test } from 'vitest'
import { openInlineStore } from '../../src/buffer/inline-store.ts'
import { BUFFER_LIMITS } from '../../src/buffer/limits.ts'
import type { Commit } from '../../src/buffer/store-calls.ts'
import { Bench, noise, put } from './harness.ts'

interface Block {
  readonly plainBytes: number
  readonly storedBytes: number
}

const KIB = 1024
/** No record here is larger. */
const RECORD_BYTES_MAX = 1_300

let bench: Bench
beforeEach(() => {
  bench = new Bench()
})
afterEach(() => bench.end())

/** The blocks in which a source that says more than is written meanwhile comes to the disk, after the first few. */
async function blocksOf(text: (number: number) => string): Promise<Block[]> {
  const blocks: Block[] = []
  const buffer = await bench.open({
    sources: { 'pump-1': { whenFull: 'block' } },
    openStore: options => {
      const store = openInlineStore(options)
      return {
        ...store,
        commit: async (commit: Commit) => {
          // Their memory is given back once they are written.
          const plain = commit.steps.map(step => (step.kind === 'insert' ? step.plain.length : 0))
          const done = await store.commit(commit)
          for (const [at, result] of done.results.entries()) {
            if (result.kind === 'inserted') blocks.push({ plainBytes: plain[at] ?? 0, storedBytes: result.row.bytes })
          }
          return done
        },
      }
    },
  })
  for (let number = 0; number < 8_000; number++) {
    while (put(buffer, 'pump-1', text(number)) === 'full') await buffer.inlet('pump-1').stored()
  }
  await buffer.inlet('pump-1').stored()
  return blocks
}

const largestOf = (blocks: readonly Block[]) =>
  blocks.reduce((largest, block) => (block.plainBytes > largest.plainBytes ? block : largest))

test('what compresses well comes in blocks of the largest size: in smaller ones a gateway takes a tenth more for it', async () => {
  const largest = largestOf(await blocksOf(number => JSON.stringify({ number, state: 'running'.repeat(100) })))
  expect(largest.plainBytes).toBeGreaterThan(BUFFER_LIMITS.blockBytes - RECORD_BYTES_MAX)
  expect(largest.plainBytes).toBeLessThan(BUFFER_LIMITS.blockBytes + RECORD_BYTES_MAX)
})

test('what compresses to half comes in smaller ones, so that each fits into a frame', async () => {
  const { plainBytes, storedBytes } = largestOf(await blocksOf(noise))
  expect(plainBytes).toBeLessThan(BUFFER_LIMITS.blockBytes - 32 * KIB)
  expect(storedBytes).toBeLessThan(BUFFER_LIMITS.blockStoredBytes + RECORD_BYTES_MAX)
  expect(storedBytes).toBeGreaterThan(BUFFER_LIMITS.blockStoredBytes - 8 * KIB)
})
