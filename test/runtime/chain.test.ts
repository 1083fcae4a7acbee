import { expect, test } from 'vitest'
import { Chain, ChainLink } from '../../src/runtime/chain.ts'
import { SeededRandom } from '../support/random.ts'

class Named extends ChainLink<Named> {
  readonly name: string

  constructor(name: string) {
    super()
    this.name = name
  }
}

function namesOf(chain: Chain<Named>): string[] {
  const names: string[] = []
  for (let item = chain.first; item; item = item.after) names.push(item.name)
  return names
}

test('whatever comes and goes in whatever turns, a chain has what an array would, in its order', () => {
  const random = new SeededRandom(7)
  const chain = new Chain<Named>()
  const expected: Named[] = []
  for (let step = 0; step < 2_000; step++) {
    if (expected.length === 0 || random.next() < 0.5) {
      const item = new Named(`${step}`)
      chain.push(item)
      expected.push(item)
    } else {
      const [gone] = expected.splice(random.between(0, expected.length), 1)
      if (gone) chain.remove(gone)
      expect([gone?.before, gone?.after, gone?.chain]).toEqual([undefined, undefined, undefined])
    }
    expect(chain.size).toBe(expected.length)
    expect(chain.first).toBe(expected[0])
    if (step % 50 === 0) expect(namesOf(chain)).toEqual(expected.map(({ name }) => name))
  }
})

test('the first may be taken out until none is left', () => {
  const chain = new Chain<Named>()
  for (const name of ['a', 'b', 'c']) chain.push(new Named(name))
  const seen: string[] = []
  for (let item = chain.first; item; item = chain.first) {
    seen.push(item.name)
    chain.remove(item)
  }
  expect([seen, namesOf(chain)]).toEqual([['a', 'b', 'c'], []])
})

test('one that stands in a chain is put into no other, and one that stands in none is taken out of none', () => {
  const [one, other] = [new Chain<Named>(), new Chain<Named>()]
  const item = new Named('a')
  one.push(item)
  expect(() => other.push(item)).toThrow('stands in none')
  expect(() => other.remove(item)).toThrow('stands in it')
  one.remove(item)
  expect(() => one.remove(item)).toThrow('stands in it')
})
