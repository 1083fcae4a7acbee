import { describe, expect, test } from 'vitest'
import { type Extent, FreePages } from '../../src/buffer/free-pages.ts'
import { parsePlace, placeText } from '../../src/buffer/place.ts'
import { SeededRandom, seedOfRun } from '../support/random.ts'

function pagesOf(extents: readonly Extent[]): number[] {
  return extents.flatMap(({ page, pages }) => Array.from({ length: pages }, (_, at) => page + at))
}

function opened(used: readonly Extent[]): FreePages {
  const free = FreePages.of(used)
  if (!free) throw new Error('these share a page')
  return free
}

describe('the pages of a file', () => {
  test('an empty file grows, as far as it may', () => {
    const free = opened([])
    expect(free.take(3, 10)).toEqual([{ page: 0, pages: 3 }])
    expect(free.take(7, 7)).toEqual([{ page: 3, pages: 7 }])
    expect(free.take(1, 0)).toBeUndefined()
    expect([free.pages, free.free, free.used]).toEqual([10, 0, 10])
  })

  test('the file ends where the last page in use does, once it is trimmed', () => {
    const free = opened([{ page: 0, pages: 10 }])
    free.give([{ page: 2, pages: 2 }])
    free.trim()
    expect([free.pages, free.free]).toEqual([10, 2])
    free.give([{ page: 7, pages: 3 }])
    free.trim()
    expect([free.pages, free.free]).toEqual([7, 2])
    expect(free.take(3, 3)).toEqual([{ page: 7, pages: 3 }])
  })

  test('what was given back is used before the file grows, and its neighbours become one', () => {
    const free = opened([{ page: 0, pages: 12 }])
    free.give([{ page: 2, pages: 2 }])
    free.give([{ page: 6, pages: 2 }])
    free.give([{ page: 4, pages: 2 }])
    expect(free.take(6, 100)).toEqual([{ page: 2, pages: 6 }])
    expect(free.pages).toBe(12)
  })

  test('pages are used in turn: the next ones behind the last, before those that came free earlier in the file', () => {
    const free = opened([{ page: 0, pages: 10 }])
    free.give([{ page: 4, pages: 4 }])
    expect(free.take(2, 0)).toEqual([{ page: 4, pages: 2 }])
    free.give([{ page: 0, pages: 2 }])
    expect(free.take(2, 0)).toEqual([{ page: 6, pages: 2 }])
    expect(free.take(2, 0)).toEqual([{ page: 0, pages: 2 }])
  })

  test('what is free at the end counts when the file grows', () => {
    const free = opened([{ page: 0, pages: 10 }])
    free.give([{ page: 8, pages: 2 }])
    expect(free.take(4, 2)).toEqual([{ page: 8, pages: 4 }])
    expect(free.pages).toBe(12)
  })

  test('where no run is long enough, and the file may not grow, it comes in pieces: as much as is free can be had', () => {
    const free = opened([{ page: 0, pages: 9 }])
    free.give([{ page: 0, pages: 1 }])
    free.give([{ page: 3, pages: 2 }])
    free.give([{ page: 7, pages: 1 }])
    expect(free.take(6, 1)).toBeUndefined()
    const taken = free.take(5, 1) ?? []
    expect(pagesOf(taken).sort((a, b) => a - b)).toEqual([0, 3, 4, 7, 9])
    expect(free.free).toBe(0)
  })

  test('what lies in the file when it is opened is not free, and all else is', () => {
    const free = opened([
      { page: 8, pages: 2 },
      { page: 2, pages: 3 },
    ])
    expect([free.pages, free.used, free.free]).toEqual([10, 5, 5])
    expect(free.take(3, 0)).toEqual([{ page: 5, pages: 3 }])
  })

  test('two that share a page are none', () => {
    expect(
      FreePages.of([
        { page: 0, pages: 3 },
        { page: 2, pages: 1 },
      ]),
    ).toBeUndefined()
  })

  test('a page that is given back twice is an invariant broken', () => {
    const free = opened([{ page: 0, pages: 10 }])
    free.give([{ page: 4, pages: 4 }])
    for (const twice of [
      { page: 4, pages: 1 },
      { page: 7, pages: 2 },
      { page: 3, pages: 2 },
      { page: 0, pages: 10 },
    ])
      expect(() => free.give([twice])).toThrow('a page is free twice')
  })

  test('whatever is taken and given back in whatever order, no page is ever two blocks’, and none is lost', () => {
    const random = new SeededRandom(seedOfRun('free pages'))
    for (let round = 0; round < 50; round++) {
      const most = random.between(5, 200)
      let free = opened([])
      const held: (readonly Extent[])[] = []
      const owners = new Set<number>()
      for (let step = 0; step < 200; step++) {
        if (random.next() < 0.55) {
          const pages = random.between(1, random.pick([3, 9, 41]))
          const growthMax = Math.max(0, most - free.pages)
          const hasRoom = pages <= free.free + growthMax
          const taken = free.take(pages, growthMax)
          expect(taken !== undefined).toBe(hasRoom)
          if (!taken) continue
          for (const page of pagesOf(taken)) {
            expect(owners.has(page)).toBe(false)
            owners.add(page)
          }
          expect(pagesOf(taken)).toHaveLength(pages)
          held.push(taken)
        } else if (held.length > 0) {
          const [given = []] = held.splice(random.between(0, held.length), 1)
          for (const page of pagesOf(given)) owners.delete(page)
          free.give(given)
        } else free = opened([])
        if (random.next() < 0.05) free.trim()
        expect(free.used).toBe(owners.size)
        expect(free.pages).toBeLessThanOrEqual(most)
        if (random.next() < 0.05) free = opened(held.flat())
      }
    }
  })
})

describe('a place', () => {
  test('is told as text, and read again', () => {
    const extents = [
      { page: 12, pages: 7 },
      { page: 0, pages: 1 },
    ]
    expect(placeText(extents)).toBe('12+7,0+1')
    expect(parsePlace('12+7,0+1')).toEqual(extents)
  })

  test.each(['', '1', '1+', '+1', '1+0', '-1+2', '1+2,', '1+2;3+4', '1.5+2', '1+2 ', `${'9'.repeat(16)}+1`])(
    '"%s" is none',
    text => {
      expect(parsePlace(text)).toBeUndefined()
    },
  )
})
