import { describe, expect, test } from 'vitest'
import { BlockBuilder, visitPlain } from '../../src/buffer/block-codec.ts'

function filled(likelyBytes: number | undefined, values: readonly Buffer[]): BlockBuilder {
  const builder = new BlockBuilder(likelyBytes)
  for (const [at, value] of values.entries()) builder.append(1_000 + at, value, 0, value.length, undefined)
  return builder
}

function textsOf(builder: BlockBuilder): string[] {
  const texts: string[] = []
  visitPlain(builder.take(), builder.baseTimeMs, (_timeMs, bytes, from, to) => texts.push(bytes.toString('latin1', from, to)))
  return texts
}

describe('a block that is being filled', () => {
  test('has no memory before its first record: ten thousand sources had forty megabytes of nothing', () => {
    expect(new BlockBuilder(64 * 1024).take().buffer.byteLength).toBe(0)
  })

  test('has about what it will need: each had four kilobytes, for two lines of a device', () => {
    const values = [Buffer.from('21.5,1013.2'), Buffer.from('21.6,1013.1')]
    const builders = Array.from({ length: 1_000 }, () => filled(120, values))
    expect(builders.every(({ isShared }) => isShared)).toBe(true)
    const memories = new Set(builders.map(builder => builder.take().buffer))
    const sum = [...memories].reduce((bytes, { byteLength }) => bytes + byteLength, 0)
    // What they share is counted whole, also where others have something in it.
    expect(sum).toBeLessThanOrEqual(1_000 * 264 + 2 * Buffer.poolSize)
    for (const builder of builders) expect(textsOf(builder)).toEqual(['21.5,1013.2', '21.6,1013.1'])
  })

  test.each([undefined, 0, 1, 300, 100_000])('grows where it becomes larger than it was thought to (%s)', likelyBytes => {
    const values = Array.from({ length: 200 }, (_, at) => Buffer.alloc(at * 3, 0x20 + (at % 64)))
    const builder = filled(likelyBytes, values)
    expect(builder.count).toBe(200)
    expect(textsOf(builder)).toEqual(values.map(value => value.toString('latin1')))
  })
})
