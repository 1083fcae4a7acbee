import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BATCHES_IN_FLIGHT_PER_SOURCE_MAX, Flight } from '../../src/link/flight.ts'
import { cutBatch } from '../support/batches.ts'

function flightOf(...batches: ReturnType<typeof cutBatch>[]): Flight {
  const flight = new Flight()
  for (const batch of batches) flight.add(batch)
  return flight
}

const a = cutBatch(0, 2)
const b = cutBatch(2, 3)
const c = cutBatch(5, 1)

describe('what is in flight of one source', () => {
  test('goes out in sequence order', () => {
    const flight = flightOf(a, b)
    expect(flight.waiting()).toBe(a)
    flight.markSent(a)
    expect(flight.waiting()).toBe(b)
  })

  test('settles in sequence order: one accepted early is held until those before it are', () => {
    const flight = flightOf(a, b, c)
    for (const batch of [a, b, c]) flight.markSent(batch)
    expect(flight.markAccepted(c)).toBeUndefined()
    expect(flight.markAccepted(b)).toBeUndefined()
    expect(flight.markAccepted(a)).toBe(6)
    expect(flight.size).toBe(0)
  })

  test('after one came back nothing is sent until all are back, and then all again in order', () => {
    const flight = flightOf(a, b, c)
    for (const batch of [a, b, c]) flight.markSent(batch)
    flight.markReturned(a)
    expect(flight.holds).toBe(true)
    expect(flight.waiting()).toBeUndefined()
    flight.markReturned(b)
    expect(flight.waiting()).toBeUndefined()
    flight.markReturned(c)
    expect(flight.holds).toBe(false)
    const again = []
    for (let batch = flight.waiting(); batch; batch = flight.waiting()) {
      flight.markSent(batch)
      again.push(batch)
    }
    expect(again).toEqual([a, b, c])
  })

  test('one that was accepted behind one that came back is not sent again', () => {
    const flight = flightOf(a, b)
    for (const batch of [a, b]) flight.markSent(batch)
    flight.markReturned(a)
    expect(flight.markAccepted(b)).toBeUndefined()
    expect(flight.waiting()).toBe(a)
    flight.markSent(a)
    expect(flight.waiting()).toBeUndefined()
    expect(flight.markAccepted(a)).toBe(5)
  })

  test('is all taken back when the session is over, accepted ones too', () => {
    const flight = flightOf(a, b)
    for (const batch of [a, b]) flight.markSent(batch)
    flight.markAccepted(b)
    flight.takeBack()
    expect(flight.sent).toBe(0)
    expect(flight.awaits(a)).toBe(false)
    expect(flight.waiting()).toBe(a)
  })

  test('is forgotten below what the log has, and nothing is where a batch would be cut in two', () => {
    const flight = flightOf(a, b, c)
    flight.markSent(a)
    expect(flight.dropBelow(3)).toBe(false)
    expect(flight.size).toBe(3)
    expect(flight.dropBelow(5)).toBe(true)
    expect(flight.sent).toBe(0)
    expect(flight.waiting()).toBe(c)
  })

  test('never takes a batch that does not follow the last one', () => {
    const flight = flightOf(a)
    expect(() => flight.add(c)).toThrow('without a hole')
  })

  test('whatever becomes of the deliveries, what is sent at once is a run in order, and all is settled once and in order', () => {
    const outcomes = fc.array(fc.constantFrom('accepted', 'returned', 'session over'), { maxLength: 200 })
    fc.assert(
      fc.property(outcomes, fc.infiniteStream(fc.nat(BATCHES_IN_FLIGHT_PER_SOURCE_MAX - 1)), (script, picks) => {
        const flight = new Flight()
        let next = 0
        let settled = 0
        let inFlight: ReturnType<typeof cutBatch>[] = []
        const held: ReturnType<typeof cutBatch>[] = []
        const send = () => {
          for (;;) {
            let batch = flight.waiting()
            if (!batch && !flight.holds && flight.size < flight.max) {
              batch = cutBatch(next++, 1)
              flight.add(batch)
              held.push(batch)
            }
            if (!batch) return
            const last = inFlight.at(-1)
            if (last) expect(batch.sequence).toBeGreaterThan(last.sequence)
            flight.markSent(batch)
            inFlight.push(batch)
          }
        }
        for (const outcome of script) {
          send()
          expect(flight.size).toBeLessThanOrEqual(BATCHES_IN_FLIGHT_PER_SOURCE_MAX)
          expect(flight.sent).toBe(inFlight.length)
          if (outcome === 'session over') {
            flight.takeBack()
            inFlight = []
            continue
          }
          const [batch] = inFlight.splice(picks.next().value % Math.max(1, inFlight.length), 1)
          if (!batch) continue
          if (outcome === 'returned') flight.markReturned(batch)
          else {
            const upTo = flight.markAccepted(batch)
            if (upTo !== undefined) {
              expect(upTo).toBeGreaterThan(settled)
              settled = upTo
            }
          }
        }
        expect(flight.size).toBe(next - settled)
      }),
      { numRuns: 200 },
    )
  })
})
