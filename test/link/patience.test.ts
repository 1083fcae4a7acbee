import { describe, expect, test } from 'vitest'
import { Patience } from '../../src/link/patience.ts'

const WORK = { pending: true, starved: false }

describe('a session is given up', () => {
  test('when nothing was accepted for three seconds though there is work, and later each time that this is in vain', () => {
    const patience = new Patience()
    const waits: number[] = []
    let now = 0
    for (let session = 0; session < 6; session++) {
      const begin = now
      patience.begin(begin)
      while (!patience.lost(now, WORK)) now += 100
      waits.push(now - begin)
    }
    expect(waits).toEqual([3_000, 6_000, 12_000, 24_000, 30_000, 30_000])
    patience.begin(now)
    patience.accepted(now)
    expect(patience.lost(now + 3_000, WORK)).toBeDefined()
  })

  test('never while there is nothing to do', () => {
    const patience = new Patience()
    patience.begin(0)
    expect(patience.lost(100_000, { pending: false, starved: true })).toBeUndefined()
    expect(patience.lost(102_999, WORK)).toBeUndefined()
    expect(patience.lost(103_000, WORK)).toBeDefined()
  })

  test('after half a second without credit with nothing on its way', () => {
    const patience = new Patience()
    patience.begin(0)
    const starved = { pending: true, starved: true }
    expect(patience.lost(0, starved)).toBeUndefined()
    expect(patience.lost(400, WORK)).toBeUndefined()
    expect(patience.lost(500, starved)).toBeUndefined()
    expect(patience.lost(1_000, starved)).toBe('no credit')
  })

  test('no sooner than the core said that a quota may hold it back', () => {
    const patience = new Patience()
    const starved = { pending: true, starved: true }
    patience.begin(0, 8_000)
    expect(patience.lost(0, starved)).toBeUndefined()
    expect(patience.lost(7_999, starved)).toBeUndefined()
    expect(patience.lost(8_000, starved)).toBe('no credit')
    patience.begin(10_000)
    expect(patience.lost(10_000, starved)).toBeUndefined()
    expect(patience.lost(10_500, starved), 'where it says nothing, as ever').toBe('no credit')
  })
})
