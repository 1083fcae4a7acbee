import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { ShardLog, shardSource } from '../../../src/reader/realtime/shard-log.ts'
import type { StateEntry } from '../../../src/reader/realtime/state-entry.ts'
import { MemoryLog } from '../../support/memory-log.ts'
import { SimulatedClock } from '../../support/simulated-clock.ts'

const LIMIT_MS = 60_000

/** Of about half a MiB, which no compressor makes smaller. */
function entry(subject: number): StateEntry {
  const state = randomBytes(384 * 1024).toString('base64')
  return { kind: 'watch', id: 'p.a', subject: `gw/${subject}`, fingerprint: 'f', at: {}, state, alerts: [], derived: [] }
}

function plant() {
  const clock = new SimulatedClock()
  const log = new MemoryLog(clock)
  const during = <Result>(work: Promise<Result>) => clock.during(work, LIMIT_MS)
  let run = 0
  const takeOver = () => during(ShardLog.takeOver({ log, clock }, shardSource(0), { core: 'core', instance: `core-${run++}` }))
  const write = (shard: ShardLog, entries: number) =>
    during(shard.append(Array.from({ length: entries }, (_, number) => entry(number))))
  return { during, takeOver, write }
}

test('states are made short however often a core is started: what it found counts', async () => {
  const { takeOver, write } = plant()
  for (const isLong of [false, false, false, true]) {
    const shard = await takeOver()
    await write(shard, 12)
    expect(shard.isLong).toBe(isLong)
  }
})

test('states that are larger than what is made short are not written anew each time', async () => {
  const { during, takeOver, write } = plant()
  const shard = await takeOver()
  await write(shard, 60)
  expect(shard.isLong).toBe(true)
  const forget = shard.startAnew()
  await write(shard, 60)
  await during(forget())
  expect(shard.isLong).toBe(false)
  await write(shard, 1)
  expect(shard.isLong).toBe(false)
  await write(shard, 60)
  expect(shard.isLong).toBe(true)
})

test('what is kept can be read back while more is appended', async () => {
  const { during, takeOver, write } = plant()
  const shard = await takeOver()
  await write(shard, 3)
  const forget = shard.startAnew()
  await write(shard, 2)
  const subjects = async () => (await during(shard.readBack())).flatMap(each => (each.kind === 'watch' ? [each.subject] : []))
  expect(await subjects()).toEqual(['gw/0', 'gw/1', 'gw/2', 'gw/0', 'gw/1'])
  await during(forget())
  expect(await subjects()).toEqual(['gw/0', 'gw/1'])
})
