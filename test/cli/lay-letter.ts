import { join } from 'node:path'
import { DeadLetters } from '../../src/ingress/dead-letters.ts'
import { openSqliteLog } from '../../src/log/sqlite/sqlite-log.ts'
import { BatchWriter } from '../../src/record/batch-writer.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import type { Up } from './up-process.ts'

/** Lays a batch down as the ingress of the same core does. */
export async function layLetter(up: Up, values: readonly string[]): Promise<void> {
  const writer = new BatchWriter()
  writer.begin({ key: 'plant-a-1/a', producerId: 7, epoch: 0, epochStart: 0, sequence: 40 })
  for (const value of values) writer.append(0, Buffer.from(value), 0, value.length)
  const log = await openSqliteLog({ path: join(up.state, 'core', 'log.db'), clock: systemClock })
  const letters = new DeadLetters({
    ...{ log, clock: systemClock, logger: silentLogger, alarms: new Alarms(systemClock) },
    ...{ writer: { gateway: 'core', source: 'headrace-dead' }, signal: new AbortController().signal },
  })
  const place = { topic: 'plant', partition: 0 }
  const isLaid = await letters.put({ place, source: 'plant-a-1/a', batch: writer.finish('none'), reason: 'Kafka error 87' })
  if (!isLaid) throw new Error('the letter could not be laid down')
  await log.close()
}
