import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { History, type HistoryLook } from '../../src/console/history.ts'
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

test('a history that is damaged begins anew: neither console nor process started', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-history-'))
  const path = join(folder, 'history.db')
  const clock = new SimulatedClock()
  let end = 0
  const look = async () => ({ ends: new Map([['g/a', end++]]), lags: {} })
  const opened = () => new History({ path, clock, logger: silentLogger, look })
  try {
    writeFileSync(path, Buffer.alloc(20_000, 5))
    const history = opened()
    history.start()
    await clock.pass(3 * MINUTE_MS)
    expect(await history.points({})).toHaveLength(3)
    history.close()
    // Its first page is whole, and the others are not: that shows when it is written.
    const bytes = readFileSync(path)
    bytes.fill(0xff, 4_096)
    writeFileSync(path, bytes)
    const again = opened()
    again.start()
    await clock.pass(4 * MINUTE_MS)
    expect((await again.points({})).length).toBeGreaterThanOrEqual(2)
    again.close()
  } finally {
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
    expect((await history.points({})).map(({ time_ms }) => time_ms / MINUTE_MS - now)).toEqual([-2, -1, 0])
  } finally {
    history.close()
    rmSync(folder, { recursive: true, force: true })
  }
})

async function withHistory(
  look: () => Promise<HistoryLook>,
  test: (history: History, clock: SimulatedClock) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-history-'))
  const clock = new SimulatedClock()
  const history = new History({ path: join(folder, 'history.db'), clock, logger: silentLogger, look })
  try {
    history.start()
    await test(history, clock)
  } finally {
    history.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

test('what came while nothing could be looked at is not said to have come within the minute after', async () => {
  let end = 0
  let isAway = false
  const look = async () => {
    end += 10
    if (isAway) throw new Error('the log is away')
    return { ends: new Map([['g/a', end]]), lags: {} }
  }
  await withHistory(look, async (history, clock) => {
    await clock.pass(2 * MINUTE_MS)
    isAway = true
    await clock.pass(60 * MINUTE_MS)
    isAway = false
    await clock.pass(3 * MINUTE_MS)
    expect((await history.points({})).map(({ records }) => records)).toEqual([10, 10, 10, 10])
  })
})

test('the last day is what came within a day: of a core that was away for a week it went further back', async () => {
  let end = 0
  const look = async () => ({ ends: new Map([['g/a', end++]]), lags: { 'p.load': 1 } })
  await withHistory(look, async (history, clock) => {
    await clock.pass(3 * MINUTE_MS)
    clock.jump(7 * 24 * 60 * MINUTE_MS)
    await clock.pass(2 * MINUTE_MS)
    for (const of of [{}, { source: 'g/a' }, { job: 'p.load' }]) expect(await history.points(of)).toHaveLength(2)
  })
})
