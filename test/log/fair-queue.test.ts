import { describe, expect, test } from 'vitest'
import { BATCHES_PER_REQUEST_MAX, FairQueue, type Queued } from '../../src/log/kafka/fair-queue.ts'

const MANY = 1_000_000

function item(sharer: string, partition: number, bytes = 100): Queued {
  return { sharer, place: { topic: `topic-of-${sharer}`, partition }, batch: { bytes: Buffer.alloc(bytes) } }
}

const names = (items: readonly Queued[]) => items.map(({ sharer, place }) => `${sharer}${place.partition}`).join(' ')

describe('a broker is shared', () => {
  test('between gateways, one batch of each in turn, however much one of them has', () => {
    const queue = new FairQueue()
    for (let partition = 0; partition < 50; partition++) queue.push(item('drains-', partition))
    queue.push(item('live-', 0))
    expect(names(queue.take(300))).toBe('drains-0 live-0 drains-1')
  })

  test('and the next request goes on where the last one ended', () => {
    const queue = new FairQueue()
    for (const gateway of ['a', 'b', 'c'])
      for (let partition = 0; partition < 3; partition++) queue.push(item(gateway, partition))
    expect(names(queue.take(200))).toBe('a0 b0')
    expect(names(queue.take(200))).toBe('c0 a1')
    expect(names(queue.take(MANY))).toBe('b1 c1 a2 b2 c2')
    expect(queue.size).toBe(0)
  })

  test('with one batch of a partition in a request, in the order in which they came', () => {
    const queue = new FairQueue()
    const [first, second] = [item('a', 0, 1), item('a', 0, 2)]
    for (const each of [first, second, item('a', 1)]) queue.push(each)
    expect(queue.take(MANY)).toEqual([first, item('a', 1)])
    expect(queue.take(MANY)).toEqual([second])
  })

  test('and of those that may go first none goes past an earlier one of its partition', () => {
    const queue = new FairQueue()
    for (const each of [item('a', 0, 900), item('a', 0, 10), item('a', 1, 20), item('b', 0, 900), item('b', 1, 30)])
      queue.push(each)
    const small = ({ batch }: Queued) => batch.bytes.length < 100
    expect(names(queue.take(MANY, small))).toBe('a1 b1')
    expect(names(queue.take(MANY, small))).toBe('')
    expect(names(queue.take(MANY))).toBe('a0 b0')
    expect(names(queue.take(MANY, small))).toBe('a0')
    expect(queue.size).toBe(0)
  })

  test('so that no request keeps a broker for long: a thousand small batches were one', () => {
    const queue = new FairQueue()
    for (let partition = 0; partition < 2 * BATCHES_PER_REQUEST_MAX; partition++) queue.push(item('many-', partition))
    queue.push(item('live-', 0))
    const [first, second] = [queue.take(MANY), queue.take(MANY)]
    expect([first.length, second.length]).toEqual([BATCHES_PER_REQUEST_MAX, BATCHES_PER_REQUEST_MAX])
    expect(first[1]?.sharer).toBe('live-')
    expect(names(queue.take(MANY))).toBe(`many-${2 * BATCHES_PER_REQUEST_MAX - 1}`)
  })

  test('what is larger than a request goes alone', () => {
    const queue = new FairQueue()
    queue.push(item('a', 0, 5_000))
    queue.push(item('b', 0))
    expect(names(queue.take(1_000))).toBe('a0')
    expect(names(queue.take(1_000))).toBe('b0')
  })
})
