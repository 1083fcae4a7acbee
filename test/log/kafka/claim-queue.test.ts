import { expect, test } from 'vitest'
import { answer, ClaimQueue, refuse } from '../../../src/log/kafka/claim-queue.ts'
import type { Claim } from '../../../src/log/log.ts'

const source = (name: string) => ({ gateway: 'gw-1', source: name })
const names = (group: ReturnType<ClaimQueue['take']>) => group.map(waiting => waiting.source.source)

test('claims of one topic are taken together, up to a number; topics take turns', () => {
  const queue = new ClaimQueue()
  for (const name of ['a-1', 'a-2', 'a-3']) void queue.ask(source(name), 'topic-a')
  void queue.ask(source('b-1'), 'topic-b')
  expect(queue.size).toBe(4)
  expect(names(queue.take(2))).toEqual(['a-1', 'a-2'])
  expect(names(queue.take(2))).toEqual(['b-1'])
  expect(names(queue.take(2))).toEqual(['a-3'])
  expect(names(queue.take(2))).toEqual([])
  expect(queue.size).toBe(0)
})

test('whoever asks for the same source is answered with it', async () => {
  const queue = new ClaimQueue()
  const asked = [queue.ask(source('a'), 'topic-a'), queue.ask(source('a'), 'topic-a')]
  expect(queue.size).toBe(1)
  const claim = { partition: 3 } as Claim
  for (const waiting of queue.take(10)) answer(waiting, claim)
  expect(await Promise.all(asked)).toEqual([claim, claim])
  const refused = queue.ask(source('a'), 'topic-a')
  refuse(queue.take(10), new Error('no'))
  await expect(refused).rejects.toThrow('no')
})
