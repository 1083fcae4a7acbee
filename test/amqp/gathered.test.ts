import { expect, test } from 'vitest'
import { Gathered } from '../../src/amqp/gathered.ts'

const PIECES = ['ab', '', 'cdefg', 'h'].map(text => Buffer.from(text))
const WHOLE = 'abcdefgh'

test('bytes in several places are cut as if they lay in one', () => {
  const gathered = new Gathered(PIECES)
  expect(gathered.length).toBe(WHOLE.length)
  for (let from = 0; from <= WHOLE.length; from++) {
    for (let to = from; to <= WHOLE.length; to++) {
      const cut = gathered.slice(from, to)
      expect(Buffer.concat(cut.pieces).toString()).toBe(WHOLE.slice(from, to))
      expect(cut.length).toBe(to - from)
    }
  }
})

test('and are not copied', () => {
  const [piece] = new Gathered(PIECES).slice(3, 6).pieces
  expect(piece?.buffer).toBe(PIECES[2]?.buffer)
  expect(piece?.byteOffset).toBe((PIECES[2]?.byteOffset ?? 0) + 1)
})
