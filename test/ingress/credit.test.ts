import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Credit } from '../../src/ingress/credit.ts'

describe('credit', () => {
  test('is granted at once, and again only when it is worth a frame', () => {
    const credit = new Credit({ messagesMax: 100, bytesMax: 2 ** 30 })
    expect(credit.grant()).toBe(100)
    expect(credit.grant()).toBe(0)
    for (let message = 0; message < 24; message++) {
      credit.received(10)
      credit.settled(10)
    }
    expect(credit.grant()).toBe(0)
    credit.received(10)
    credit.settled(10)
    expect(credit.grant()).toBe(25)
  })

  test('lets one message pass that is heavier than everything', () => {
    const credit = new Credit({ messagesMax: 100, bytesMax: 1_000 })
    expect(credit.grant()).toBe(1)
    credit.received(1_000_000)
    expect(credit.grant()).toBe(0)
    credit.settled(1_000_000)
    expect(credit.grant()).toBe(1)
  })

  test('never lets more messages come than are allowed, nor many more bytes where they weigh alike', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200_000 }), fc.array(fc.boolean(), { maxLength: 400 }), (weight, script) => {
        const credit = new Credit({ messagesMax: 50, bytesMax: 1_000_000 })
        let granted = credit.grant()
        let held = 0
        for (const settles of script) {
          if (settles && held > 0) {
            credit.settled(weight)
            held -= 1
          } else if (granted > 0) {
            credit.received(weight)
            granted -= 1
            held += 1
          }
          granted += credit.grant()
          expect(granted + held).toBeLessThanOrEqual(50)
          expect(credit.heldBytes).toBe(held * weight)
          expect(credit.heldBytes).toBeLessThanOrEqual(1_000_000 + 16 * weight)
          if (held === 0) expect(granted).toBeGreaterThan(0)
        }
      }),
    )
  })
})
