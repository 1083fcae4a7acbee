import { expect, test } from 'vitest'
import { AlertOutbox } from '../../../src/reader/realtime/alert-outbox.ts'
import { AlertDelivery } from '../../../src/reader/realtime/delivery.ts'
import type { OutboxAlert } from '../../../src/reader/realtime/state-entry.ts'
import { Alarms } from '../../../src/runtime/alarms.ts'
import { silentLogger } from '../../../src/runtime/logger.ts'
import { SimulatedClock } from '../../support/simulated-clock.ts'

function alertFor(sink: string, number: number): OutboxAlert {
  return { number, sink, alert: { key: `${sink} ${number}`, analyser: 'a', json: '{}', timeMs: 0 } }
}

function filled(...alerts: readonly OutboxAlert[]): AlertOutbox {
  const outbox = new AlertOutbox()
  for (const alert of alerts) outbox.add(alert)
  return outbox
}

test('what waits for each sink is told in its order, whatever waits for others', () => {
  const outbox = filled(alertFor('slow', 1), alertFor('page', 2), alertFor('slow', 3), alertFor('page', 4))
  expect([outbox.firstFor('page')?.number, outbox.waitingFor('page'), outbox.size]).toEqual([2, 2, 4])
  expect(outbox.delete(2)).toBe(true)
  expect(outbox.delete(2)).toBe(false)
  expect([outbox.firstFor('page')?.number, outbox.firstFor('slow')?.number]).toEqual([4, 1])
  outbox.delete(4)
  expect([...outbox.sinks()]).toEqual(['slow'])
  expect(outbox.firstFor('page')).toBeUndefined()
  expect(outbox.all().map(({ number }) => number)).toEqual([1, 3])
})

test('an alert is not looked for among those that wait for another sink', async () => {
  const clock = new SimulatedClock()
  const waiting = Array.from({ length: 5_000 }, (_, number) => alertFor('away', number))
  const due = Array.from({ length: 200 }, (_, at) => alertFor('page', 5_000 + at))
  const outbox = filled(...waiting, ...due)
  let looked = 0
  const counted = {
    sinks: () => outbox.sinks(),
    firstFor: (sink: string) => {
      looked += 1
      return outbox.firstFor(sink)
    },
  }
  const taken: string[] = []
  const delivery = new AlertDelivery({
    outboxes: () => [{ outbox: counted, delivered: number => void outbox.delete(number) }],
    sinks: new Map([['page', { deliver: async ({ key }) => void taken.push(key) }]]),
    clock,
    random: () => 0.5,
    logger: silentLogger,
    alarms: new Alarms(clock),
  })
  delivery.wakeSinks(['page'])
  await clock.pass(100)
  expect(taken).toEqual(due.map(({ alert }) => alert.key))
  expect(looked).toBe(due.length + 1)
  await delivery.stop()
})
