import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Connection } from '../../src/amqp/amqp.ts'
import { Authority } from '../../src/ca/authority.ts'
import { IdentityKeeper } from '../../src/ca/identity-keeper.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { issueTo } from '../support/issued.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

/** When a gateway with a certificate of that life asks over a standing link whether it is due, minutes, within three hours. */
async function asksOf(lifeMs: number): Promise<number[]> {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-keeper-'))
  await Authority.init(join(folder, 'ca'), systemClock, { name: 'Plant', hosts: ['127.0.0.1'] })
  const authority = Authority.open({ folder: join(folder, 'ca'), clock: systemClock, lifeMs, graceMs: 0 })
  const path = join(folder, 'identity.pem')
  await issueTo(authority, 'gw-1', path)
  authority.close()
  const clock = new SimulatedClock()
  const keeper = new IdentityKeeper({
    path,
    mode: 'direct',
    clock,
    random: () => 0.999,
    log: silentLogger,
    alarms: new Alarms(clock),
  })
  keeper.current()
  const asks: number[] = []
  const connection = {
    closed: new Promise(() => {}),
    openReceiver: () => {
      asks.push(clock.monotonicMs() / MINUTE_MS)
      return Promise.reject(new Error('nobody answers'))
    },
  } as unknown as Connection
  keeper.watch(connection)
  await clock.pass(180 * MINUTE_MS)
  rmSync(folder, { recursive: true })
  return asks
}

test('a certificate that is good for half an hour is looked after before it ends, and not first when it has', async () => {
  const [first = Number.POSITIVE_INFINITY, ...more] = await asksOf(30 * MINUTE_MS)
  // It is due after two thirds of its life; the rest is there to try, and to try again.
  expect(first).toBeLessThan(10)
  expect(more.filter(at => at > 20 && at < 30).length).toBeGreaterThan(1)
})

test('one that is good for a quarter of a year is asked about once in an hour, as ever', async () => {
  expect(await asksOf(90 * DAY_MS)).toHaveLength(3)
})
