import { existsSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readOffsets } from '../../src/reader/batch/adopt.ts'
import { type Brokers, JobWorld, runNow, runOf, TIME_MS } from './job-world.ts'

/** Where a job stands, over the embedded log, or over Kafka. */
export function describePositions(brokers?: Brokers): void {
  let world: JobWorld
  beforeEach(async () => {
    world = await new JobWorld(brokers).open()
  })
  afterEach(() => world.close())

  describe('records that the log has no more', () => {
    test('are given up when that is said, and that they were is kept', async () => {
      await world.lay('a', ['zero', 'one'])
      await world.lay('a', ['two'])
      await world.lay('b', ['three'])
      world.ledger.setOffsets('plant.load', new Map([['g/a', 0]]))
      const job = world.job()
      await world.log.trim({ topic: 'plant', partition: 0 }, 2)
      await expect(runNow(job)).rejects.toMatchObject({
        code: 'offset_out_of_range',
        message: 'g/a: the job stands at 0, the log has [2, 3): [0, 2) is not there',
        advice: expect.stringContaining('"headrace batch run plant.load --accept-loss"'),
      })
      // Who sees the alarm has not seen what the command line said.
      expect(world.alarms.list()).toMatchObject([{ code: 'batch_failed', advice: expect.stringContaining('--accept-loss') }])
      const accepted = await job.run(new AbortController().signal, { acceptLoss: true })
      expect(accepted).toMatchObject({ outcome: 'done', run: { records: 2 } })
      expect(world.ledger.losses('plant.load')).toMatchObject([{ source: 'g/a', first: 0, next: 2 }])
      expect(world.offsets()).toEqual({ 'g/a': 3, 'g/b': 1 })
    })

    test('because it ends before where the job stands: it goes on at the end, and repeats nothing', async () => {
      await world.lay('a', ['zero', 'one'])
      world.ledger.setOffsets('plant.load', new Map([['g/a', 9]]))
      const job = world.job()
      expect(await job.run(new AbortController().signal, { acceptLoss: true })).toEqual({ outcome: 'empty' })
      expect(world.ledger.losses('plant.load')).toMatchObject([{ source: 'g/a', first: 2, next: 9 }])
      expect(world.offsets()).toEqual({ 'g/a': 2 })
    })

    test.each([
      ['where the job had stood before', { 'g/a': 1 }, 1],
      ['where it had never been anywhere', {}, 0],
    ])('of a run that had failed, %s: it was repeated over what was gone all the same', async (_where, stood, from) => {
      await world.lay('a', ['zero', 'one'])
      await world.lay('a', ['two'])
      world.ledger.setOffsets('plant.load', new Map(Object.entries(stood)))
      expect(await runNow(world.job({ run: ['false'] }))).toMatchObject({ outcome: 'failed' })
      await world.log.trim({ topic: 'plant', partition: 0 }, 2)
      const job = world.job()
      await expect(runNow(job)).rejects.toMatchObject({
        code: 'offset_out_of_range',
        message: `g/a: the job stands at ${from}, the log has [2, 3): [${from}, 2) is not there`,
      })
      expect(await job.run(new AbortController().signal, { acceptLoss: true })).toMatchObject({ outcome: 'done' })
      expect(world.ledger.losses('plant.load')).toMatchObject([{ source: 'g/a', first: from, next: 2 }])
      expect(world.read('in')).toBe('two\n')
      expect(world.offsets()).toEqual({ 'g/a': 3 })
    })

    test('of a run that was done, and only not kept as done: they are not given up, and not handed over once more', async () => {
      await world.lay('a', ['zero', 'one'])
      await world.lay('a', ['two'])
      const onStep = (step: string) => {
        if (step === 'published') throw new Error('the core ends here')
      }
      expect(await runNow(world.job({}, { deps: { onStep } }))).toMatchObject({ outcome: 'failed' })
      await world.log.trim({ topic: 'plant', partition: 0 }, 2)
      const again = world.job({ run: ['sh', '-c', 'cat > again'] })
      expect(await again.run(new AbortController().signal, { acceptLoss: true })).toMatchObject({ outcome: 'done' })
      expect(world.ledger.losses('plant.load')).toEqual([])
      expect(world.offsets()).toEqual({ 'g/a': 3 })
      expect(existsSync(world.path('again'))).toBe(false)
    })

    test('nothing is lost, nothing is kept', async () => {
      await world.lay('a', ['zero'])
      await world.job().run(new AbortController().signal, { acceptLoss: true })
      expect(world.ledger.losses('plant.load')).toEqual([])
    })
  })

  describe('a backfill', () => {
    const all = { source: '*' }
    const signal = new AbortController().signal

    test('by sequence reads what was read before, and moves nothing', async () => {
      await world.lay('a', ['zero', 'one', 'two', 'three'])
      const job = world.job()
      const nightly = runOf(await runNow(job))
      const filled = await job.backfill(signal, { from: { sequence: 1 }, to: { sequence: 3 }, ...all })
      expect(filled).toMatchObject({ outcome: 'done', run: { kind: 'backfill', records: 2 } })
      expect(world.read('in')).toBe('one\ntwo\n')
      expect(world.offsets()).toEqual({ 'g/a': 4 })
      expect(runOf(filled).id).not.toBe(nightly.id)
      await world.lay('a', ['four'])
      await runNow(job)
      expect(world.read('in')).toBe('four\n')
    })

    test('by event time reads each source from its first record that is not older', async () => {
      await world.lay('a', ['zero', 'one', 'two'], TIME_MS)
      await world.lay('b', ['three', 'four', 'five'], TIME_MS + 1)
      const job = world.job()
      await job.backfill(signal, { from: { timeMs: TIME_MS + 1 }, to: { timeMs: TIME_MS + 2 }, ...all })
      expect(world.read('in').trim().split('\n').sort()).toEqual(['one', 'three'])
      expect(world.offsets()).toEqual({})
      await job.backfill(signal, { from: { timeMs: 0 }, to: { timeMs: TIME_MS * 2 }, source: 'b' })
      expect(world.read('in')).toBe('three\nfour\nfive\n')
    })

    test('the same one is the same run', async () => {
      await world.lay('a', ['zero', 'one'])
      const job = world.job()
      const one = runOf(await job.backfill(signal, { from: { sequence: 0 }, to: { sequence: 1 }, ...all }))
      const two = runOf(await job.backfill(signal, { from: { sequence: 0 }, to: { sequence: 1 }, ...all }))
      expect(two.id).toBe(one.id)
    })

    test('of records that are gone is an error that names them', async () => {
      await world.lay('a', ['zero', 'one'])
      await world.lay('a', ['two'])
      await world.log.trim({ topic: 'plant', partition: 0 }, 2)
      await expect(world.job().backfill(signal, { from: { sequence: 0 }, to: { sequence: 3 }, ...all })).rejects.toMatchObject({
        message: 'g/a: the backfill begins at 0, the log has [2, 3)',
      })
    })

    test('one that failed is not what the job goes on with', async () => {
      await world.lay('a', ['zero', 'one'])
      await world.job({ run: ['false'] }).backfill(signal, { from: { sequence: 0 }, to: { sequence: 1 }, ...all })
      await runNow(world.job())
      expect(world.read('in')).toBe('zero\none\n')
    })
  })

  describe('offsets of another reader in a file', () => {
    const claims = async () => world.job().claims()

    test.each([
      ['as kafka-consumer-groups exports them', '"plant",0,5\n"plant",1,7\n"other",0,3\n'],
      ['of several groups', 'old,plant,0,5\nold,plant,1,7\n'],
      ['as JSON', '{"g/a": 5, "g/b": 7}'],
    ])('%s', async (_what, text) => {
      await world.lay('a', ['x'])
      await world.lay('b', ['x'])
      expect(Object.fromEntries(readOffsets(text, await claims()))).toEqual({ 'g/a': 5, 'g/b': 7 })
    })

    test.each([
      ['plant,0', 'no offset: line 1: plant,0'],
      ['plant,0,5\nplant,one,5', 'no offset: line 2: plant,one,5'],
      ['plant,0,-1', 'no offset: line 1: plant,0,-1'],
      ['{"g/a": "5"}', 'no offset: g/a: "5"'],
      ['{"g/a": 5', 'begins as JSON does and is none'],
    ])('%s is refused', (text, said) => {
      expect(() => readOffsets(text, [])).toThrow(said)
    })
  })
}
