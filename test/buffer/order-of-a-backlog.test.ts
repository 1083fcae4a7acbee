import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { EdgeBuffer } from '../../src/buffer/buffer.ts'
import { BUFFER_LIMITS } from '../../src/buffer/limits.ts'
import { SeededRandom, seedOfRun } from '../support/random.ts'
import { until } from '../support/until.ts'
import { ASSIGNMENT, Bench, isContiguous, numberOf, outletOf, PLACES, put, recordsOf, takeRecords } from './harness.ts'

describe.each(PLACES)('blocks that lie %s', (_where, limits) => {
  let bench: Bench
  beforeEach(() => {
    bench = new Bench(limits)
  })
  afterEach(() => bench.end())

  /** Bytes of a record that fills a block by itself: such blocks become batches one by one, and small ones hundreds at once. */
  const LARGE_BYTES = 8_000

  /** Numbered records of several sources, each a block of its own on disk. */
  class Backlog {
    readonly #buffer: EdgeBuffer
    readonly written = new Map<string, number>()

    constructor(buffer: EdgeBuffer) {
      this.#buffer = buffer
    }

    async write(source: string, blocks: number, bytes: number): Promise<void> {
      for (let block = 0; block < blocks; block++) {
        const number = this.written.get(source) ?? 0
        this.written.set(source, number + 1)
        put(this.#buffer, source, `${number}:${randomBytes(bytes / 2).toString('hex')}`)
        await this.#buffer.inlet(source).stored()
      }
    }

    async connect(): Promise<void> {
      this.#buffer.attachLink(() => {})
      for (const source of this.written.keys()) await outletOf(this.#buffer, source).assign(ASSIGNMENT)
    }

    /** Takes all of a source, and gives the numbers that its records say, in the order of those that they got. */
    async drain(source: string): Promise<number[]> {
      const taken = recordsOf(await takeRecords(this.#buffer, source, this.written.get(source) ?? 0))
      expect(isContiguous(taken)).toBe(true)
      return taken.map(({ text }) => numberOf(text))
    }
  }

  const upTo = (count: number) => Array.from({ length: count }, (_, index) => index)

  test('a source of which much of the backlog was known gave what lay behind another one’s first: what lay between came at the next start, out of order', async () => {
    const buffer = await bench.open({ sources: { large: {}, small: {} } })
    const backlog = new Backlog(buffer)
    await backlog.write('large', BUFFER_LIMITS.uncutWindow + 60, LARGE_BYTES)
    await backlog.write('small', BUFFER_LIMITS.uncutWindow, 20)
    await backlog.write('small', 10, 20)
    await backlog.write('large', 60, LARGE_BYTES)
    await backlog.connect()
    // Of the large ones a few are cut; then nothing is known of the small ones any more, and they are looked for.
    expect(await backlog.drain('small')).toEqual(upTo(BUFFER_LIMITS.uncutWindow + 10))
    expect(await backlog.drain('large')).toEqual(upTo(BUFFER_LIMITS.uncutWindow + 120))
  }, 60_000)

  test('whatever lies in a backlog of several sources, in whatever turns it goes, and while more comes, each has its records in the order in which they came', async () => {
    const random = new SeededRandom(seedOfRun('order of a backlog'))
    const names = ['a', 'b', 'c']
    const buffer = await bench.open({ sources: Object.fromEntries(names.map(name => [name, {}])) })
    const backlog = new Backlog(buffer)
    const someOf = (from: readonly string[]) => from[Math.floor(random.next() * from.length)] ?? 'a'
    const writeSome = (blocksMax: number) =>
      backlog.write(someOf(names), 1 + Math.floor(random.next() * blocksMax), random.next() < 0.5 ? LARGE_BYTES : 20)
    for (let turn = 0; turn < 24; turn++) await writeSome(120)
    await backlog.connect()
    const given = new Map(names.map(name => [name, [] as number[]]))
    const isLeft = (name: string) => (given.get(name)?.length ?? 0) < (backlog.written.get(name) ?? 0)
    let batches = 0
    for (let left = names.filter(isLeft); left.length > 0; left = names.filter(isLeft)) {
      const name = someOf(left)
      const batch = await until(`a batch of ${name}`, () => outletOf(buffer, name).take())
      given.get(name)?.push(...recordsOf([batch]).map(({ text }) => numberOf(text)))
      batches += 1
      // More comes while it drains, and goes behind what is there.
      if (batches % 50 === 0) await writeSome(20)
    }
    for (const [name, numbers] of given) expect(numbers, name).toEqual(upTo(backlog.written.get(name) ?? 0))
  }, 60_000)
})
