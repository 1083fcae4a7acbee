import { expect, test } from 'vitest'
import type { Cursor, Fetched, Follower, Place } from '../../../src/log/log.ts'
import { type Fed, Feed } from '../../../src/reader/realtime/feed.ts'
import { readBatchHeader } from '../../../src/record/batch-header.ts'
import { BatchWriter } from '../../../src/record/batch-writer.ts'

const LIMITS = { maxBytes: 2 ** 20, waitMs: 250, signal: new AbortController().signal }
const place = (partition: number) => ({ topic: 'plant', partition })
const at = (partition: number, from = 0) => ({ ...place(partition), from })

/** A batch of two records. */
function batch(from: number, timeMs: number): Buffer {
  const writer = new BatchWriter()
  writer.begin({ key: 'gw/one', producerId: 1, epoch: 0, epochStart: 0, sequence: from })
  for (const offset of [0, 1]) writer.append(timeMs + offset, Buffer.from('{}'), 0, 2)
  const { bytes } = writer.finish('none')
  bytes.writeBigInt64BE(BigInt(from), 0)
  return bytes
}

/** A log whose next answers the test has written, and what it was told. */
function scripted() {
  const answers: Fetched[][] = []
  const told: string[] = []
  const waits: number[] = []
  const follower: Follower = {
    follow: ({ partition, from }: Cursor) => told.push(`follow ${partition} from ${from}`),
    leave: ({ partition }: Place) => told.push(`leave ${partition}`),
    fetch: async ({ waitMs }) => {
      waits.push(waitMs)
      return answers.shift() ?? []
    },
    close: () => told.push('close'),
  }
  const said = () => told.splice(0)
  return { feed: new Feed({ follower: () => follower }), answers, said, waits }
}

const part = (partition: number, next: number, ...batches: Buffer[]): Fetched => ({
  ...place(partition),
  first: 0,
  next,
  batches,
})
const textOf = ({ batches }: Fed) =>
  batches.map(({ partition, bytes }) => `${partition}:${readBatchHeader(bytes).baseOffset}`).join(' ')

test('across partitions the oldest goes first, in order within each', async () => {
  const { feed, answers } = scripted()
  feed.setCursors([at(0), at(1), at(2)])
  answers.push([
    part(0, 6, batch(0, 100), batch(2, 300), batch(4, 50)),
    part(1, 4, batch(0, 200), batch(2, 400)),
    part(2, 2, batch(0, 100)),
  ])
  expect(textOf(await feed.next(LIMITS))).toBe('0:0 2:0 1:0 0:2 0:4 1:2')
})

test('where nothing is new, nothing is said again', async () => {
  const { feed, answers, said } = scripted()
  feed.setCursors([at(0), at(1)])
  expect(said()).toEqual(['follow 0 from 0', 'follow 1 from 0'])
  answers.push([part(0, 2, batch(0, 100))], [], [part(1, 2, batch(0, 100))])
  for (const text of ['0:0', '', '1:0']) expect(textOf(await feed.next(LIMITS))).toBe(text)
  feed.setCursors([at(0, 2), at(1, 2)])
  expect(said()).toEqual([])
})

test('others wait for one that has more and gives nothing yet, and are not read further meanwhile', async () => {
  const { feed, answers, said, waits } = scripted()
  feed.setCursors([at(0), at(1)])
  said()
  answers.push([part(0, 2, batch(0, 100)), part(1, 4)], [part(1, 4, batch(0, 50), batch(2, 300))])
  expect(textOf(await feed.next(LIMITS))).toBe('')
  expect(textOf(await feed.next(LIMITS))).toBe('1:0 0:0 1:2')
  expect(said()).toEqual(['leave 0'])
  expect(waits).toEqual([250, 0])
  await feed.next(LIMITS)
  expect(said().sort()).toEqual(['follow 0 from 2'])
  expect(waits).toEqual([250, 0, 250])
})

test('but not for ever', async () => {
  const { feed, answers } = scripted()
  feed.setCursors([at(0), at(1)])
  answers.push([part(0, 2, batch(0, 100)), part(1, 4)])
  let passes = 1
  while (textOf(await feed.next(LIMITS)) === '') passes += 1
  expect(passes).toBe(21)
})

test('a partition that is read from elsewhere, or not any more, gives nothing of what lay there', async () => {
  const { feed, answers, said } = scripted()
  feed.setCursors([at(0, 2), at(1), at(2)])
  answers.push([part(0, 4, batch(2, 100)), part(1, 2, batch(0, 100)), part(2, 4)])
  expect(textOf(await feed.next(LIMITS))).toBe('')
  said()
  feed.setCursors([at(0), at(2)])
  expect(said()).toEqual(['leave 1', 'leave 0', 'follow 0 from 0'])
  answers.push([part(2, 4, batch(0, 50), batch(2, 60))])
  expect(textOf(await feed.next(LIMITS))).toBe('2:0 2:2')
})

test('what was fed and not read is fed again, from where it is asked for', async () => {
  const { feed, answers, said } = scripted()
  feed.setCursors([at(0)])
  answers.push([part(0, 4, batch(0, 100), batch(2, 200))], [part(0, 4, batch(2, 200))])
  expect(textOf(await feed.next(LIMITS))).toBe('0:0 0:2')
  said()
  feed.setCursors([at(0, 2)])
  expect(said()).toEqual(['leave 0', 'follow 0 from 2'])
  expect(textOf(await feed.next(LIMITS))).toBe('0:2')
})

test('what is out of range is handed on, and nobody waits for it', async () => {
  const { feed, answers } = scripted()
  feed.setCursors([at(0), at(1)])
  answers.push([{ ...part(0, 9), first: 5, outOfRange: true }, part(1, 2, batch(0, 100))])
  const { parts, batches } = await feed.next(LIMITS)
  expect(parts).toMatchObject([{ partition: 0, outOfRange: true }, { partition: 1 }])
  expect(batches).toHaveLength(1)
})
