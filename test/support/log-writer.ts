import type { Log } from '../../src/log/log.ts'
import { decodeBatch } from '../../src/record/batch-reader.ts'
import { BatchWriter } from '../../src/record/batch-writer.ts'
import type { StoredRecord } from '../../src/record/record.ts'
import { type SourceId, sourceKey } from '../../src/runtime/names.ts'

/** Writes records of a source into a real log, as its gateway's batches are written. */
export async function writeRecords(
  log: Log,
  source: SourceId,
  topic: string,
  records: readonly { readonly timeMs: number; readonly value: object }[],
): Promise<void> {
  const claim = await log.claim(source, topic)
  const end = await log.end(claim)
  const { producerId, epoch, epochStart } = claim
  const writer = new BatchWriter()
  writer.begin({ key: sourceKey(source), producerId, epoch, epochStart, sequence: end.next })
  for (const { timeMs, value } of records) {
    const bytes = Buffer.from(JSON.stringify(value))
    writer.append(timeMs, bytes, 0, bytes.length)
  }
  const appended = await log.append(claim, writer.finish('none'), end.proof)
  if (appended.outcome !== 'appended') throw new Error(`not written: ${JSON.stringify(appended)}`)
}

/** All records of a source, with the offset at which each really lies. */
export async function readRecords(log: Log, source: SourceId): Promise<StoredRecord[]> {
  const claim = await log.claimOf(source)
  if (!claim) return []
  const records: StoredRecord[] = []
  const { next: end } = await log.end(claim)
  for (let from = 0; from < end; ) {
    const [part] = await log.fetch([{ topic: claim.topic, partition: claim.partition, from }], { maxBytes: 2 ** 22, waitMs: 500 })
    for (const record of (part?.batches ?? []).flatMap(batch => decodeBatch(batch))) {
      if (record.sequence < from) continue
      records.push(record)
      from = record.sequence + 1
    }
  }
  return records
}
