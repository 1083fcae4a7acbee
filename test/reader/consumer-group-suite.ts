import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Ledger } from '../../src/reader/ledger.ts'
import { type Brokers, JobWorld, runNow } from './job-world.ts'

/** The group that follows a job's ledger, over the embedded log, or over Kafka. */
export function describeConsumerGroup(brokers?: Brokers): void {
  let world: JobWorld
  beforeEach(async () => {
    world = await new JobWorld(brokers).open()
  })
  afterEach(() => world.close())

  const committed = async () =>
    (await world.log.committedOffsets('headrace.plant.load', await world.job().claims())).map(({ partition, from }) => [
      partition,
      from,
    ])

  test('follows the ledger after every run', async () => {
    await world.lay('a', ['one', 'two'])
    await world.lay('b', ['three'])
    await runNow(world.job())
    expect(await committed()).toEqual([
      [0, 2],
      [1, 1],
    ])
  })

  test('gives the job its place again when the ledger is lost', async () => {
    await world.lay('a', ['one', 'two'])
    await runNow(world.job())
    world.ledger.close()
    for (const suffix of ['', '-wal', '-shm']) rmSync(world.path(`readers.db${suffix}`), { force: true })
    world.ledger = new Ledger(join(world.folder, 'readers.db'))
    await world.lay('a', ['three'])
    await runNow(world.job())
    expect(world.read('in')).toBe('three\n')
    expect(world.offsets()).toEqual({ 'g/a': 3 })
  })

  test('has no say where the ledger knows the job', async () => {
    await world.lay('a', ['one', 'two'])
    world.ledger.setOffsets('plant.load', new Map([['g/a', 1]]))
    await world.log.commitOffsets('headrace.plant.load', [{ topic: 'plant', partition: 0, from: 2 }])
    await runNow(world.job())
    expect(world.read('in')).toBe('two\n')
  })
}
