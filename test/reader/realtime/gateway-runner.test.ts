import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { AlertSink } from '../../../src/reader/realtime/alert-sink.ts'
import { FileKeeper } from '../../../src/reader/realtime/file-keeper.ts'
import { GatewayRunner } from '../../../src/reader/realtime/gateway-runner.ts'
import { Alarms } from '../../../src/runtime/alarms.ts'
import { silentLogger } from '../../../src/runtime/logger.ts'
import { SimulatedClock } from '../../support/simulated-clock.ts'
import { chatty } from '../../support/watches.ts'

const UNDELIVERED_MAX = 10_000
/** Records that are looked at together. */
const PART = 1_000

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-gateway-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function started(clock: SimulatedClock, alarms: Alarms, deliver: AlertSink['deliver']): GatewayRunner {
  const runner = new GatewayRunner({
    gateway: 'gw-1',
    definitions: [chatty],
    sinks: new Map(chatty.sinks.map(sink => [sink, { deliver }])),
    keeper: new FileKeeper(join(folder, 'analysers.db')),
    clock,
    random: () => 0.5,
    logger: silentLogger,
    alarms,
  })
  runner.start()
  return runner
}

test('alerts that nobody takes have a bound: past it the gateway’s analysers do not look, say so, and look again when there is room', async () => {
  const clock = new SimulatedClock()
  const alarms = new Alarms(clock)
  let isAway = true
  const taken: string[] = []
  const deliver = async ({ key }: { key: string }) => {
    if (isAway) throw new Error('away')
    taken.push(key)
  }
  const runner = started(clock, alarms, deliver)
  const tap = runner.tap('pump', 'p', { stored: () => Promise.resolve(), fields: () => undefined })
  const value = Buffer.from('{}')
  const give = async () => {
    for (let record = 0; record < PART; record++) tap?.take(clock.wallMs(), value, 0, value.length)
    await clock.pass(500)
  }
  for (let part = 0; part < 13; part++) await give()
  expect(runner.status()).toMatchObject([{ undelivered: UNDELIVERED_MAX }])
  expect(alarms.list().find(({ code }) => code === 'analysers_behind')?.message).toMatch(
    /pump: 10000 alerts wait for their receivers/,
  )
  isAway = false
  await clock.pass(120_000)
  expect(taken).toEqual(Array.from({ length: UNDELIVERED_MAX }, (_, index) => `${index}`))
  await give()
  await clock.pass(1_000)
  expect(taken.length).toBe(UNDELIVERED_MAX + PART)
  // It was said until the agent was started anew.
  expect(alarms.list()).toEqual([])
  await runner.stop()
})

test('a record is not looked at before it is on disk, whatever was asked for meanwhile', async () => {
  const clock = new SimulatedClock()
  const taken: string[] = []
  const deliver = async ({ key }: { key: string }) => void taken.push(key)
  const runner = started(clock, new Alarms(clock), deliver)
  const commits: PromiseWithResolvers<void>[] = []
  const stored = () => {
    const commit = Promise.withResolvers<void>()
    commits.push(commit)
    return commit.promise
  }
  const tap = runner.tap('pump', 'p', { stored, fields: () => undefined })
  const value = Buffer.from('{}')
  for (let record = 0; record < 3; record++) {
    tap?.take(clock.wallMs(), value, 0, value.length)
    await clock.pass(10)
  }
  expect(commits).toHaveLength(3)
  for (const [index, commit] of commits.entries()) {
    commit.resolve()
    await clock.pass(1_000)
    expect(taken).toHaveLength(index + 1)
  }
  await runner.stop()
})
