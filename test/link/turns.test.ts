import { describe, expect, test } from 'vitest'
import { Turns } from '../../src/link/turns.ts'

interface Named {
  readonly name: string
  readonly priority: number
}

/** The names of the next `count` turns; a backlog goes on, what was up to date is done after its turn. */
function order(turns: Turns<Named>, count: number, endless: readonly Named[]): string {
  const names: string[] = []
  for (let turn = 0; turn < count; turn++) {
    const lane = turns.next()
    if (!lane) break
    names.push(lane.name)
    if (endless.includes(lane)) turns.add(lane, 'backlog')
  }
  return names.join(' ')
}

const lane = (name: string, priority = 0): Named => ({ name, priority })

describe('whose turn it is', () => {
  test('what is live goes before any backlog, however many have one', () => {
    const turns = new Turns<Named>()
    const backlogs = Array.from({ length: 50 }, (_, index) => lane(`b${index}`))
    for (const backlog of backlogs) turns.add(backlog, 'backlog')
    expect(order(turns, 3, backlogs)).toBe('b0 b1 b2')
    turns.add(lane('live'), 'fresh')
    expect(order(turns, 3, backlogs)).toBe('live b3 b4')
  })

  test('a backlog has its turn, however much that is live comes', () => {
    const turns = new Turns<Named>()
    const backlog = lane('backlog')
    turns.add(backlog, 'backlog')
    for (let index = 0; index < 100; index++) turns.add(lane(`l${index}`), 'fresh')
    const names = order(turns, 60, [backlog]).split(' ')
    expect(names.filter(name => name === 'backlog')).toHaveLength(3)
  })

  test('backlogs share by priority, and the lowest of them gets on', () => {
    const turns = new Turns<Named>()
    const backlogs = [lane('low', -1), lane('high', 5), lane('middle')]
    for (const backlog of backlogs) turns.add(backlog, 'backlog')
    const names = order(turns, 250, backlogs).split(' ')
    const share = (name: string) => names.filter(each => each === name).length
    expect([share('high'), share('middle'), share('low')]).toEqual([200, 40, 10])
  })

  test('of equal priority one after the other', () => {
    const turns = new Turns<Named>()
    const backlogs = [lane('a'), lane('b'), lane('c')]
    for (const backlog of backlogs) turns.add(backlog, 'backlog')
    expect(order(turns, 7, backlogs)).toBe('a b c a b c a')
  })

  test('of what is live the most important first', () => {
    const turns = new Turns<Named>()
    for (const each of [lane('a'), lane('urgent', 9), lane('b')]) turns.add(each, 'fresh')
    expect(order(turns, 9, [])).toBe('urgent a b')
  })

  test('nobody waits twice', () => {
    const turns = new Turns<Named>()
    const a = lane('a')
    turns.add(a, 'backlog')
    turns.add(a, 'fresh')
    expect(order(turns, 9, [])).toBe('a')
  })

  test('where the link costs money the most important goes, and nothing below the floor', () => {
    const turns = new Turns<Named>()
    for (const each of [lane('a'), lane('urgent', 9), lane('b', 3)]) turns.add(each, 'backlog')
    const taken = [turns.mostImportant(3), turns.mostImportant(3), turns.mostImportant(3)]
    expect(taken.map(each => each?.name)).toEqual(['urgent', 'b', undefined])
  })
})
