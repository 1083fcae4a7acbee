import { afterEach, beforeEach, expect, test } from 'vitest'
import { deadCalls } from '../../src/cli/dead-calls.ts'
import { DeadLetters } from '../../src/ingress/dead-letters.ts'
import type { Log } from '../../src/log/log.ts'
import { readRange } from '../../src/log/read-range.ts'
import { decodeBatch } from '../../src/record/batch-reader.ts'
import { BatchWriter } from '../../src/record/batch-writer.ts'
import type { EncodedBatch, StoredRecord } from '../../src/record/record.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { type Brokers, JobWorld, runNow, TIME_MS } from './job-world.ts'

/** A batch as a gateway made it. */
function batchOf(values: readonly string[], sequence: number): EncodedBatch {
  const writer = new BatchWriter()
  writer.begin({ key: 'g/pump', producerId: 7, epoch: 0, epochStart: 0, sequence })
  for (const [index, value] of values.entries()) {
    const headers = index === 0 ? [{ key: 'clock', value: Buffer.from('unset') }] : []
    writer.append(TIME_MS + index, Buffer.from(value), 0, value.length, headers)
  }
  return writer.finish('zstd')
}

/** What becomes of dead letters, over the embedded log, or over Kafka. */
export function describeDeadLetters(brokers?: Brokers): void {
  let world: JobWorld
  beforeEach(async () => {
    world = await new JobWorld(brokers).open()
  })
  afterEach(() => world.close())

  /** As an ingress lays it down. */
  async function letter(batch: EncodedBatch, core = 'core'): Promise<void> {
    const letters = new DeadLetters({
      ...{ log: world.log, clock: systemClock, logger: silentLogger, alarms: world.alarms },
      ...{ writer: { gateway: core, source: 'headrace-dead' }, signal: new AbortController().signal },
    })
    const place = { topic: 'plant', partition: 3 }
    expect(await letters.put({ place, source: 'g/pump', batch, reason: 'Kafka error 87' })).toBe(true)
  }

  async function retried(): Promise<StoredRecord[]> {
    const claim = await world.log.claimOf({ gateway: 'g', source: 'pump-retried' })
    if (!claim) return []
    const { first, next } = await world.log.end(claim)
    const found: StoredRecord[] = []
    const range = { topic: claim.topic, partition: claim.partition, from: first, to: next }
    for await (const { batches } of readRange(world.log, [range], { maxBytes: 2 ** 20 }))
      found.push(...batches.flatMap(batch => decodeBatch(batch)))
    return found
  }

  const headersOf = ({ headers }: StoredRecord) => Object.fromEntries(headers.map(({ key, value }) => [key, value.toString()]))

  test('are listed once each, also one that two cores laid down, and shown with their records', async () => {
    expect(await deadCalls(world.log)['dead.list']()).toEqual([])
    await letter(batchOf(['one', 'two'], 1_200))
    await letter(batchOf(['one', 'two'], 1_200), 'core-2')
    await letter(batchOf(['three'], 1_202))
    const listed = await deadCalls(world.log)['dead.list']()
    expect(listed.map(each => each.letter).sort()).toEqual(['g/pump@1200', 'g/pump@1202'])
    expect(await deadCalls(world.log)['dead.show']({ letter: 'g/pump@1200' })).toMatchObject({
      ...{
        source: 'g/pump',
        topic: 'plant',
        partition: 3,
        sequence: 1_200,
        count: 2,
        reason: 'Kafka error 87',
        unreadable: null,
      },
      records: [
        { seq: 1_200, time_ms: TIME_MS, value_base64: 'b25l' },
        { seq: 1_201, time_ms: TIME_MS + 1, value_base64: 'dHdv' },
      ],
    })
    await expect(deadCalls(world.log)['dead.show']({ letter: 'g/pump@9' })).rejects.toMatchObject({
      code: 'not_found',
      message: 'there is no dead letter "g/pump@9"',
    })
  })

  test('are retried into a source of their own, once, with where they should have been; a job reads them', async () => {
    await letter(batchOf(['one', 'two'], 1_200))
    const retry = () => deadCalls(world.log)['dead.retry']({ letter: 'g/pump@1200' })
    expect(await retry()).toMatchObject({ source: 'g/pump-retried', topic: 'plant', appended: 2, already: 0 })
    expect(await retry()).toMatchObject({ appended: 0, already: 2 })
    await letter(batchOf(['three'], 1_202))
    expect(await deadCalls(world.log)['dead.retry']({ letter: 'g/pump@1202' })).toMatchObject({ appended: 1 })
    const records = await retried()
    expect(records.map(({ value, timeMs, sequence }) => [value?.toString(), timeMs, sequence])).toEqual([
      ['one', TIME_MS, 0],
      ['two', TIME_MS + 1, 1],
      ['three', TIME_MS, 2],
    ])
    const [first, second] = records
    expect(first && headersOf(first)).toEqual({
      ...{ seq: '0', clock: 'unset', retried_source: 'g/pump', retried_topic: 'plant' },
      ...{ retried_partition: '3', retried_sequence: '1200' },
    })
    expect(second && headersOf(second)).toMatchObject({ seq: '1', retried_sequence: '1201' })
    await runNow(world.job())
    expect(world.read('in')).toBe('one\ntwo\nthree\n')
  })

  test('of more than one piece, retried by two cores at once, are there once', async () => {
    const values = Array.from({ length: 40 }, (_, index) => `${index} ${randomText(30_000)}`)
    await letter(batchOf(values, 0))
    const [one, two] = await Promise.all([0, 1].map(() => deadCalls(world.log)['dead.retry']({ letter: 'g/pump@0' })))
    expect((one?.appended ?? 0) + (two?.appended ?? 0)).toBeGreaterThanOrEqual(40)
    expect((await retried()).map(({ value }) => value?.toString())).toEqual(values)
  })

  test('whose answer was lost on the way are not appended again', async () => {
    await letter(batchOf(['one', 'two'], 5))
    let lost = 0
    const lossy = new Proxy<Log>(world.log, {
      get: (log, name) =>
        name === 'append'
          ? async (...args: Parameters<Log['append']>) => {
              const answer = await log.append(...args)
              return lost++ === 0 ? { outcome: 'unavailable', detail: 'the answer was lost' } : answer
            }
          : Reflect.get(log, name),
    })
    await deadCalls(lossy)['dead.retry']({ letter: 'g/pump@5' })
    expect(lost).toBe(1)
    expect((await retried()).map(({ value }) => value?.toString())).toEqual(['one', 'two'])
  })

  test('whose bytes are damaged say so, and are not retried', async () => {
    const batch = batchOf(['one'], 5)
    batch.bytes.writeUInt8(batch.bytes.readUInt8(batch.bytes.length - 1) ^ 1, batch.bytes.length - 1)
    await letter(batch)
    const calls = deadCalls(world.log)
    expect(await calls['dead.show']({ letter: 'g/pump@5' })).toMatchObject({
      unreadable: expect.stringContaining('CRC'),
      records: [],
    })
    await expect(calls['dead.retry']({ letter: 'g/pump@5' })).rejects.toMatchObject({
      code: 'batch_malformed',
      message: expect.stringMatching(/^g\/pump@5 cannot be retried: /),
    })
    expect(await retried()).toEqual([])
  })

  test('are not put among the records of a gateway that has a source of that name', async () => {
    await world.lay('pump-retried', ['of a gateway'])
    await letter(batchOf(['one'], 5))
    await expect(deadCalls(world.log)['dead.retry']({ letter: 'g/pump@5' })).rejects.toMatchObject({ code: 'topic_refused' })
    expect((await retried()).map(({ value }) => value?.toString())).toEqual(['of a gateway'])
  })
}

/** Text that does not compress; the same each time. */
function randomText(length: number): string {
  let state = length
  let text = ''
  while (text.length < length) {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    text += state.toString(36)
  }
  return text.slice(0, length)
}
