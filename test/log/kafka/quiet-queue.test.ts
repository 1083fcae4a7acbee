import RequestQueue from 'kafkajs/src/network/requestQueue/index.js'
import { expect, test } from 'vitest'
import { setTimerOnlyForWhatWaits } from '../../../src/log/kafka/quiet-queue.ts'
import { until } from '../../support/until.ts'

class QuietQueue extends RequestQueue {}
setTimerOnlyForWhatWaits(QuietQueue)

const logger = { debug() {}, warn() {} }

class Asking {
  readonly queue: RequestQueue
  readonly sent: number[] = []
  readonly answered: number[] = []

  constructor(Queue: typeof RequestQueue) {
    this.queue = new Queue({ maxInFlightRequests: null, requestTimeout: 1_000, enforceRequestTimeout: false, logger })
  }

  ask(correlationId: number): void {
    const entry = { correlationId, resolve: () => this.answered.push(correlationId), reject() {} }
    this.queue.push({ entry, expectResponse: true, requestTimeout: null, sendRequest: () => this.sent.push(correlationId) })
  }

  answer(correlationId: number): void {
    this.queue.fulfillRequest({ correlationId, payload: Buffer.alloc(0), size: 0 })
  }
}

test('a queue in which nothing waits leaves no timer behind; as the library has it, it does', () => {
  const [quiet, asItIs] = [new Asking(QuietQueue), new Asking(RequestQueue)]
  for (const each of [quiet, asItIs]) {
    each.ask(1)
    each.answer(1)
    expect([each.sent, each.answered]).toEqual([[1], [1]])
  }
  expect(quiet.queue.throttleCheckTimeoutId).toBeNull()
  expect(asItIs.queue.throttleCheckTimeoutId).not.toBeNull()
  clearTimeout(asItIs.queue.throttleCheckTimeoutId ?? undefined)
})

test('what a broker does not want yet goes when its time is over, in order', async () => {
  const asking = new Asking(QuietQueue)
  asking.queue.maybeThrottle(30)
  asking.ask(1)
  asking.ask(2)
  expect(asking.sent).toEqual([])
  await until('both are sent', () => asking.sent.length === 2)
  expect(asking.sent).toEqual([1, 2])
  expect(asking.queue.throttleCheckTimeoutId).toBeNull()
})
