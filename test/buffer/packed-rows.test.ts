import { expect, test } from 'vitest'
import { CutRows } from '../../src/buffer/cut-rows.ts'
import { KeptRows } from '../../src/buffer/kept-rows.ts'
import { PackedRows } from '../../src/buffer/packed-rows.ts'
import { SeededRandom } from '../support/random.ts'

const BIG = 2 ** 40

function contentOf(rows: PackedRows): number[][] {
  return Array.from({ length: rows.length }, (_, row) => [rows.wide(row, 0), rows.wide(row, 1), rows.narrow(row, 0)])
}

test.each([1, 2, 3, 4, 5, 6, 7, 8])('holds what an array would, whatever comes and goes where (seed %i)', seed => {
  const random = new SeededRandom(seed)
  const rows = new PackedRows({ wide: 2, narrow: 1 })
  const expected: number[][] = []
  for (let step = 0; step < 4_000; step++) {
    // It grows at first, goes up and down then, and is empty now and then.
    const choice = random.between(0, 99)
    if (choice < 55 + (step < 1_000 ? 20 : 0)) {
      const at = random.between(0, 9) === 0 ? random.between(0, expected.length) : expected.length
      rows.insert(at, [BIG + step, step], [step])
      expected.splice(at, 0, [BIG + step, step, step])
    } else if (expected.length > 0) {
      const at = random.between(0, 9) === 0 ? random.between(0, expected.length - 1) : 0
      const count = Math.min(random.between(1, 4), expected.length - at)
      rows.remove(at, count)
      expected.splice(at, count)
    }
    if (step % 1_500 === 1_499) {
      rows.clear()
      expected.length = 0
    }
    if (step % 97 === 0) expect(contentOf(rows)).toEqual(expected)
  }
  expect(contentOf(rows)).toEqual(expected)
})

test('what is not there is not removed, nor is anything put behind a hole', () => {
  const rows = new PackedRows({ wide: 1, narrow: 1 })
  rows.insert(0, [1], [1])
  expect(() => rows.remove(0, 2)).toThrow('what is removed is there')
  expect(() => rows.insert(2, [1], [1])).toThrow('a row lies behind the one before it')
})

test('batches lie in the order of their numbers, in whichever they come, and one is removed by its id', () => {
  const cut = new CutRows()
  const row = (first: number, id = first) => ({ id, first, count: 10, bytes: 100, timeMs: 1_800_000_000_000 + first })
  for (const first of [0, 10, 30, 20, BIG, 40]) cut.add(row(first))
  expect(cut.slice(0)).toEqual([0, 10, 20, 30, 40, BIG].map(first => row(first)))
  expect([cut.from(-1), cut.from(10), cut.from(11), cut.from(BIG + 1)]).toEqual([0, 1, 2, 6])
  cut.remove({ id: 7, first: 20 })
  cut.remove({ id: 20, first: 20 })
  expect(cut.slice(1, 3)).toEqual([row(10), row(30)])
  expect([cut.at(-1), cut.at(5)]).toEqual([undefined, undefined])
})

test('where a number would lie is found in every length, also between batches and where two begin with the same', () => {
  const cut = new CutRows()
  const firsts: number[] = []
  for (let length = 0; length <= 70; length++) {
    for (let sequence = -1; sequence <= firsts.length + 1; sequence++) {
      const behind = firsts.findIndex(first => first >= sequence)
      expect(cut.from(sequence), `${sequence} among ${length}`).toBe(behind < 0 ? length : behind)
    }
    const first = length % 9 === 8 ? (firsts.at(-1) ?? 0) : length
    cut.add({ id: length, first, count: 1, bytes: 1, timeMs: 0 })
    firsts.push(first)
  }
})

test('what is kept goes in order, with its bytes counted, but for what is wanted again', () => {
  const kept = new KeptRows()
  const row = (source: number, first: number) => ({ source, id: first + source, first, bytes: 50 })
  for (let at = 0; at < 6; at++) kept.add(row(at % 2, at * 10))
  expect([kept.length, kept.bytes, kept.bytesOfFirst(2), kept.bytesOfFirst(-1)]).toEqual([6, 300, 100, 0])
  expect(kept.takeFirst(10, 60)).toEqual([row(0, 0), row(1, 10)])
  kept.release(1, 30)
  expect(kept.bytes).toBe(100)
  expect(kept.takeFirst(10, 1_000)).toEqual([row(0, 20), row(0, 40)])
  expect([kept.length, kept.bytes]).toEqual([0, 0])
})
