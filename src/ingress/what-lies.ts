import type { Log, Place } from '../log/log.ts'
import { readBatchHeader } from '../record/batch-header.ts'
import { visitRecords } from '../record/batch-reader.ts'
import { standsFor } from '../record/placeholder.ts'
import type { EncodedBatch } from '../record/record.ts'

/** How what lies in the log at a batch's numbers stands to that batch. `gone`: it was trimmed, and nobody can tell any more. */
export type Likeness = 'same' | 'other' | 'gone'

/**
 * Looks what lies where a batch says that it is. Numbers alone prove nothing: a gateway that exists twice cuts batches of the same numbers, with
 * other records. A placeholder has nothing to lose, and one that the core wrote for a dead letter stands for the batch. Rejects where the log
 * cannot be asked.
 */
export async function whatLiesAt(log: Log, place: Place, batch: EncodedBatch, crc: number): Promise<Likeness> {
  const { topic, partition } = place
  const [found] = await log.fetch([{ topic, partition, from: batch.sequence }], { maxBytes: 1, waitMs: 0 })
  if (found && batch.sequence < found.first) return 'gone'
  const first = found?.batches[0]
  if (!first) throw new Error(`what lies at ${batch.sequence} could not be read`)
  const header = readBatchHeader(first)
  if (header.baseOffset === batch.sequence && header.crc === crc) return 'same'
  return isDeadLetterPlaceholder(first) || isPlaceholder(batch.bytes) ? 'same' : 'other'
}

/** Whether the core wrote this in the place of a batch of the gateway's, which cannot know it. */
export function isDeadLetterPlaceholder(batch: Buffer): boolean {
  return standsFor(batch, 'dead_letter')
}

function isPlaceholder(batch: Buffer): boolean {
  let holdsValues = false
  visitRecords(batch, record => {
    holdsValues ||= record.valueFrom >= 0
  })
  return !holdsValues
}
