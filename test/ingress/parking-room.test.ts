import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
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

test('as many files as may lie set aside were counted once: nothing was set aside any more though they had been taken away', () => {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-aside-'))
  const asideFolder = join(folder, 'set-aside')
  mkdirSync(asideFolder)
  for (let file = 0; file < 10_000; file++) writeFileSync(join(asideFolder, `${file}.batch`), '')
  const alarms = new Alarms(new SimulatedClock())
  const parking = new SqliteParking({ folder, maxBytes: 1_000, alarms, logger: silentLogger })
  const what = { gateway: 'gw-1', source: 'pump-1', sequence: 0, bytes: Buffer.alloc(4), why: 'it is none' }
  expect(parking.setAside(what)).toBe(false)
  expect(alarms.list().map(({ code }) => code)).toEqual(['parking_full'])
  for (const name of readdirSync(asideFolder)) rmSync(join(asideFolder, name))
  expect(parking.setAside(what)).toBe(true)
  expect(alarms.list().map(({ code }) => code)).toEqual(['message_set_aside'])
  parking.close()
  rmSync(folder, { recursive: true })
})
