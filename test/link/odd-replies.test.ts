import { expect, test } from 'vitest'
import { controlSchema, openReplySchema } from '../../src/amqp/messages.ts'
import { Link } from '../../src/link/link.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { HostileCore } from '../fuzz/harness/hostile-core.ts'
import { MemoryNetwork } from '../support/memory-amqp.ts'
import { MemoryBuffer, MemoryDisk } from '../support/memory-buffer.ts'
import { SeededRandom } from '../support/random.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

/** Waits between questions grow from 200 ms, or a second, on. */
const QUESTIONS_IN_A_MINUTE_MAX = 40

test.each(['direct', 'broker'] as const)(
  'a core that calls each session old, also the one above the one it named, is not asked without a pause (%s)',
  async mode => {
    const clock = new SimulatedClock()
    const random = new SeededRandom(1)
    const network = new MemoryNetwork(clock, () => random.next())
    const error = { code: 'session_not_new', message: 'It is old.', advice: '' }
    const core = new HostileCore(
      { replies: [{ fields: { version: 1, error } }], outcomes: ['accept'], commands: [] },
      new SeededRandom(1),
    )
    await network.listen(core.handlers)
    const link = new Link({
      gateway: 'gw-1',
      buffer: new MemoryBuffer('gw-1', new MemoryDisk('instance-1')),
      mode,
      connect: () => network.dial(),
      clock,
      random: () => random.next(),
      log: silentLogger,
      alarms: new Alarms(clock),
    })
    link.start()
    await clock.pass(60_000)
    expect(core.questions).toBeGreaterThan(2)
    expect(core.questions).toBeLessThan(QUESTIONS_IN_A_MINUTE_MAX)
    await clock.during(link.stop(), 10_000)
  },
)

const ENTRY = { source: 'source-1', topic: 't', topicId: 'i', partition: 0, producerId: '1', epoch: 0, epochStart: '0', end: '9' }
const reply = (entry: object) => ({ version: 1, session: '1', log: 'l', sources: [{ ...ENTRY, last: null, ...entry }] })

test.each([
  [{}, true],
  [{ end: '-1' }, false],
  [{ epochStart: '-1' }, true],
  [{ producerId: '-1' }, false],
  [{ last: { sequence: '-1', count: 1, crc: 1 } }, false],
])('numbers of a source begin at 0: %o', (entry, isRead) => {
  expect(openReplySchema.safeParse(reply(entry)).success).toBe(isRead)
})

test('nothing below 0 is asked for again', () => {
  const asked = { version: 1, ask: 'again', source: 'source-1', epoch: 0, from: '0', to: '4' }
  expect(controlSchema.safeParse(asked).success).toBe(true)
  expect(controlSchema.safeParse({ ...asked, from: '-4' }).success).toBe(false)
})

test('a session that no gateway could go above is none', () => {
  const refused = (session: number) => ({
    version: 1,
    session: String(session),
    error: { code: 'session_not_new', message: '', advice: '' },
  })
  expect(openReplySchema.safeParse(refused(1_000_000)).success).toBe(true)
  expect(openReplySchema.safeParse(refused(Number.MAX_SAFE_INTEGER)).success).toBe(false)
})
