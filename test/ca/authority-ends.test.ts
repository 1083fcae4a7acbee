import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Authority } from '../../src/ca/authority.ts'
import { newAuthority, newRoot } from '../../src/ca/certificates.ts'
import { CoreAuthority } from '../../src/cli/authority.ts'
import { coreSchema } from '../../src/config/core.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { MemoryLog } from '../support/memory-log.ts'
import { until } from '../support/until.ts'

const DAY_MS = 86_400_000
/** An hour less than is told, and an hour more. */
const [SOON_MS, LATER_MS] = [90 * DAY_MS - 3_600_000, 90 * DAY_MS + 3_600_000]

class HeardAlarms extends Alarms {
  readonly heard: string[] = []

  override raise(...what: Parameters<Alarms['raise']>): void {
    this.heard.push(what[0])
    super.raise(...what)
  }

  override clear(...what: Parameters<Alarms['clear']>): void {
    this.heard.push(`not ${what[0]}`)
    super.clear(...what)
  }
}

/** What is said of it while a core runs whose issuing certificate is good for so long. */
async function alarmsOf(lifeMs: number): Promise<string[]> {
  const state = mkdtempSync(join(tmpdir(), 'headrace-ca-ends-'))
  const valid = { nowMs: Date.now(), lifeMs }
  const root = await newRoot('Plant root', valid)
  const issuing = await newAuthority(root, 'Plant issuing', valid)
  const from = { chain: issuing.chain + root.chain, key: issuing.key }
  await Authority.init(join(state, 'ca'), systemClock, { name: 'plant', hosts: ['127.0.0.1'], from })
  const config = coreSchema.parse({ state, log: { sqlite: {} }, ingress: { listen: 'amqps://127.0.0.1:1' }, ca: {} })
  const alarms = new HeardAlarms(systemClock)
  const authority = await CoreAuthority.open(config, new MemoryLog(systemClock), silentLogger, alarms)
  authority?.start(() => {})
  await until('it was looked at', () => alarms.heard.length > 0)
  authority?.stop()
  rmSync(state, { recursive: true })
  return alarms.heard
}

test('an issuing certificate that ends within 90 days is told, and one that is good for longer is not', async () => {
  expect(await alarmsOf(SOON_MS)).toEqual(['ca_ends'])
  expect(await alarmsOf(LATER_MS)).toEqual(['not ca_ends'])
})
