import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { SqliteParking } from '../../src/ingress/parking.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

test('the alarm of a full parking ends once there is room again: it stayed until something else was parked, which may be never', () => {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-parking-'))
  const alarms = new Alarms(new SimulatedClock())
  const parking = new SqliteParking({ folder, maxBytes: 1_000, alarms, logger: silentLogger })
  const batch = (sequence: number) => ({
    ...{ gateway: 'gw-1', source: 'pump-1', sequence, count: 1, epoch: 0, crc: 0 },
    bytes: Buffer.alloc(400),
  })
  const ids = parking.put([batch(0), batch(1)]) ?? []
  expect(parking.put([batch(2)])).toBeUndefined()
  expect(alarms.list().map(({ code }) => code)).toEqual(['parking_full'])
  for (const id of ids) parking.remove(id)
  expect(alarms.list()).toEqual([])
  parking.close()
  rmSync(folder, { recursive: true })
})
