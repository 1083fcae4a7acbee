import { expect, test } from 'vitest'
import { AlertOutbox } from '../../../src/reader/realtime/alert-outbox.ts'
import type { AlertSink } from '../../../src/reader/realtime/alert-sink.ts'
import { AlertDelivery, type Outbox } from '../../../src/reader/realtime/delivery.ts'
import type { OutboxAlert } from '../../../src/reader/realtime/state-entry.ts'
import { Alarms } from '../../../src/runtime/alarms.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import { silentLogger } from '../../../src/runtime/logger.ts'
import { SimulatedClock } from '../../support/simulated-clock.ts'

/** A receiver that refuses so many times before it takes what it is given. */
class Refusing implements AlertSink {
  asked = 0
  readonly #times: number

  constructor(times: number) {
    this.#times = times
  }

  async deliver(): Promise<void> {
    if (this.asked++ < this.#times) throw new Error('it answered 500')
  }
}

function outboxFor(sinks: readonly string[]): Outbox & { readonly left: AlertOutbox } {
  const left = new AlertOutbox()
  for (const [number, sink] of sinks.entries()) left.add({ number, sink, alert: {} as OutboxAlert['alert'] })
  return { outbox: left, left, delivered: number => void left.delete(number) }
}

function deliveryOf(
  sinks: Readonly<Record<string, AlertSink>>,
  clock: Clock,
  outbox: Outbox,
  alarms: Alarms = new Alarms(clock),
): AlertDelivery {
  return new AlertDelivery({
    outboxes: () => [outbox],
    sinks: new Map(Object.entries(sinks)),
    clock,
    random: () => 0.5,
    logger: silentLogger,
    alarms,
  })
}

test('a sink that refused is asked again though its timer comes a moment too early, and nothing else wakes it', async () => {
  const clock = new SimulatedClock()
  const early: Clock = {
    wallMs: () => clock.wallMs(),
    monotonicMs: () => clock.monotonicMs(),
    after: (delayMs, call) => clock.after(delayMs > 1 ? delayMs - 0.7 : delayMs, call),
  }
  const outbox = outboxFor(['page'])
  const page = new Refusing(3)
  const delivery = deliveryOf({ page }, early, outbox)
  delivery.wake()
  await clock.pass(10_000)
  expect({ asked: page.asked, left: outbox.left.size }).toEqual({ asked: 4, left: 0 })
  await delivery.stop()
})

test('each of two sinks that refuse is asked again by itself, however different their pauses', async () => {
  const clock = new SimulatedClock()
  const outbox = outboxFor(['often', 'once'])
  const often = new Refusing(6)
  const once = new Refusing(1)
  const delivery = deliveryOf({ often, once }, clock, outbox)
  delivery.wake()
  await clock.pass(120_000)
  expect({ often: often.asked, once: once.asked, left: outbox.left.size }).toEqual({ often: 7, once: 2, left: 0 })
  await delivery.stop()
})

test('a receiver that does not answer holds up a stop for two seconds: it did for thirty, and the process was killed before', async () => {
  const clock = new SimulatedClock()
  const alarms = new Alarms(clock)
  const outbox = outboxFor(['page'])
  const answer = Promise.withResolvers<void>()
  const page: AlertSink = { deliver: () => answer.promise, close: () => answer.reject(new Error('closed')) }
  const delivery = deliveryOf({ page }, clock, outbox, alarms)
  delivery.wake()
  let isStopped = false
  const stopped = delivery.stop().then(() => {
    isStopped = true
  })
  await clock.pass(1_900)
  expect(isStopped).toBe(false)
  await clock.pass(200)
  expect(isStopped).toBe(true)
  await stopped
  // It is told again by whoever comes next, and its receiver is not said to be at fault.
  expect({ left: outbox.left.size, alarms: alarms.list() }).toEqual({ left: 1, alarms: [] })
})
