import { expect, test } from 'vitest'
import { fetchRecords, NO_SESSION } from '../../../src/log/kafka/fetch-api.ts'
import { FetchSession } from '../../../src/log/kafka/fetch-session.ts'
import { WireReader } from '../../../src/log/kafka/wire.ts'

const part = (partition: number, from = 0) => ({ topic: 'plant', partition, from })
const place = (partition: number) => ({ topic: 'plant', partition })
const answer = (sessionId: number, error = 0) => ({ error, sessionId, parts: [] })

function begun(...partitions: number[]): FetchSession {
  const session = new FetchSession()
  for (const partition of partitions) session.read(part(partition))
  session.next()
  session.answered(answer(7))
  return session
}

test('the first request names all, and the next ones what changed', () => {
  const session = new FetchSession()
  session.read(part(0))
  session.read(part(1, 5))
  expect(session.next()).toEqual({ parts: [part(0), part(1, 5)], left: [], session: { id: 0, epoch: 0 } })
  expect(session.answered(answer(7))).toBe(true)
  expect(session.next()).toEqual({ parts: [], left: [], session: { id: 7, epoch: 1 } })
  session.answered(answer(7))
  session.read(part(1, 9))
  session.leave(place(0))
  session.leave(place(3))
  expect(session.next()).toEqual({ parts: [part(1, 9)], left: [{ ...place(0) }], session: { id: 7, epoch: 2 } })
  session.answered(answer(7))
  expect(session.next()).toEqual({ parts: [], left: [], session: { id: 7, epoch: 3 } })
})

test('one that was left and is read again is not left', () => {
  const session = begun(0)
  session.leave(place(0))
  session.read(part(0, 3))
  expect(session.next()).toMatchObject({ parts: [part(0, 3)], left: [] })
})

test.each([
  ['does not know it', 70],
  ['is at another epoch', 71],
])('a broker that %s is told all again, and the session that it may have is ended', (_what, error) => {
  const session = begun(0, 1)
  session.read(part(1, 4))
  session.next()
  expect(session.answered(answer(0, error))).toBe(false)
  expect(session.next()).toEqual({ parts: [part(0), part(1, 4)], left: [], session: { id: 7, epoch: 0 } })
})

test('without an answer all is said again', () => {
  const session = begun(0)
  session.read(part(0, 4))
  session.next()
  session.forget()
  expect(session.next()).toMatchObject({ parts: [part(0, 4)], session: { epoch: 0 } })
})

test('a broker that has no room for sessions is told all each time', () => {
  const session = new FetchSession()
  session.read(part(0))
  session.next()
  session.answered(answer(0))
  expect(session.next()).toEqual({ parts: [part(0)], left: [], session: { id: 0, epoch: 0 } })
  expect(NO_SESSION).toEqual({ id: 0, epoch: -1 })
})

test('an answer is of what was asked: not of what was moved since', () => {
  const session = begun(0, 1)
  session.read(part(0, 4))
  expect([session.isAsked(place(0)), session.isAsked(place(1)), session.isAsked(place(2))]).toEqual([false, true, false])
  session.next()
  expect(session.isAsked(place(0))).toBe(true)
})

test('without room for sessions what was read goes behind all others, also of other topics: what did not fit into a fetch was never asked for before it', () => {
  const [silent, busy, other] = [part(9), part(1), { topic: 'yard', partition: 1, from: 0 }]
  const session = new FetchSession()
  for (const each of [silent, busy, other]) session.read(each)
  session.next()
  session.answered(answer(0))
  session.read({ ...busy, from: 5 })
  const pieces = fetchRecords.write({ ...session.next(), maxWaitMs: 0, maxBytes: 1, maxBytesEach: 1 })
  const request = new WireReader(Buffer.concat(pieces))
  request.raw(4 + 4 + 4 + 4 + 1 + 4 + 4)
  const named = request.array(() => {
    const topic = request.string()
    return request.array(() => {
      request.raw(4 + 4 + 8 + 8 + 4)
      return topic
    })
  })
  expect(named.flat()).toEqual(['plant', 'yard', 'plant'])
})
