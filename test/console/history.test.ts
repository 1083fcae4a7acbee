import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { History } from '../../src/console/history.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

const MINUTE_MS = 60_000

test('the history has a point a minute of each source, of all, and of each job, for a day', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-history-'))
  const clock = new SimulatedClock()
  let looks = 0
  const look = async () => {
    looks += 1
    const ends = new Map([
      ['g/a', looks * 10],
      ['g/b', looks * 2],
    ])
    return { ends, lags: looks > 3 ? { 'p.load': looks } : {} }
  }
  const history = new History({ path: join(folder, 'history.db'), clock, logger: silentLogger, look })
  try {
    history.start()
    await clock.pass(5 * MINUTE_MS)
    const records = async (of: object) => (await history.points(of)).map(point => point.records)
    expect(await records({ source: 'g/a' })).toEqual([10, 10, 10, 10, 10])
    expect(await records({})).toEqual([12, 12, 12, 12, 12])
    expect(await records({ source: 'g/none' })).toEqual([0, 0, 0, 0, 0])
    // Of a minute in which the job's lag was not known there is none.
    expect(await records({ job: 'p.load' })).toEqual([4, 5, 6])
    await clock.pass(25 * 60 * MINUTE_MS)
    expect((await history.points({})).length).toBe(24 * 60)
  } finally {
    history.close()
    rmSync(folder, { recursive: true, force: true })
  }
})

test('the history goes on where a clock that was ahead for a day is set right: it had no room for what came then', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-history-'))
  const clock = new SimulatedClock()
  let end = 0
  const look = async () => ({ ends: new Map([['g/a', end++]]), lags: {} })
  const history = new History({ path: join(folder, 'history.db'), clock, logger: silentLogger, look })
  try {
    clock.jump(365 * 24 * 60 * MINUTE_MS)
    history.start()
    await clock.pass(25 * 60 * MINUTE_MS)
    clock.jump(-365 * 24 * 60 * MINUTE_MS)
    await clock.pass(3 * MINUTE_MS)
    const now = Math.floor(clock.wallMs() / MINUTE_MS)
    expect((await history.points({})).map(({ timeMs }) => timeMs / MINUTE_MS - now)).toEqual([-2, -1, 0])
  } finally {
    history.close()
    rmSync(folder, { recursive: true, force: true })
  }
})
