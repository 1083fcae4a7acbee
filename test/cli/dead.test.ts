import { join } from 'node:path'
import { expect, test } from 'vitest'
import { DeadLetters } from '../../src/ingress/dead-letters.ts'
import { openSqliteLog } from '../../src/log/sqlite/sqlite-log.ts'
import { BatchWriter } from '../../src/record/batch-writer.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { Up } from './up-process.ts'

/** Lays a batch down as the ingress of the same core does. */
async function layLetter(up: Up, values: readonly string[]): Promise<void> {
  const writer = new BatchWriter()
  writer.begin({ key: 'plant-a-1/a', producerId: 7, epoch: 0, epochStart: 0, sequence: 40 })
  for (const value of values) writer.append(0, Buffer.from(value), 0, value.length)
  const log = await openSqliteLog({ path: join(up.state, 'core', 'log.db'), clock: systemClock })
  const letters = new DeadLetters({
    ...{ log, clock: systemClock, logger: silentLogger, alarms: new Alarms(systemClock) },
    ...{ writer: { gateway: 'core', source: 'headrace-dead' }, signal: new AbortController().signal },
  })
  const place = { topic: 'plant', partition: 0 }
  expect(await letters.put({ place, source: 'plant-a-1/a', batch: writer.finish('none'), reason: 'Kafka error 87' })).toBe(true)
  await log.close()
}

test('a dead letter is listed, shown and retried, once', async () => {
  const up = new Up('pipeline: plant\nsources:\n  a: { generator: { count: 1 } }\n')
  try {
    await up.start()
    await up.drained(1)
    await layLetter(up, ['{"n":40}', '{"n":41}'])
    expect(await up.json('dead', 'list')).toMatchObject([{ letter: 'plant-a-1/a@40', count: 2, reason: 'Kafka error 87' }])
    expect((await up.run('dead', 'list')).stdout).toMatch(/^plant-a-1\/a@40 +\S+Z +2 +\d+ +plant\[0\] +Kafka error 87$/m)
    const shown = await up.run('dead', 'show', 'plant-a-1/a@40')
    expect(shown.stdout).toMatch(/^plant-a-1\/a: numbers 40…41 of plant\[0\]/)
    expect(shown.stdout).toMatch(/^ 41 +1970-01-01T00:00:00.000Z +\{"n":41\}$/m)
    expect(await up.run('dead', 'retry', 'plant-a-1/a@40')).toMatchObject({
      code: 0,
      stdout: '2 records appended to plant-a-1/a-retried, plant[1].\n',
    })
    expect((await up.run('dead', 'retry', 'plant-a-1/a@40')).stdout).toBe(
      '0 records appended to plant-a-1/a-retried, plant[1]; 2 lay there already.\n',
    )
    expect(await up.run('dead', 'retry', 'plant-a-1/a@41')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('there is no dead letter "plant-a-1/a@41"'),
    })
  } finally {
    await up.end()
  }
})
