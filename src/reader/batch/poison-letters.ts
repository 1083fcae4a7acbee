import type { Log } from '../../log/log.ts'
import { decodeBatch } from '../../record/batch-reader.ts'
import { BatchWriter } from '../../record/batch-writer.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import { type SourceId, sourceKey } from '../../runtime/names.ts'
import type { Range } from '../ledger.ts'
import type { SkippedRecord } from './feed.ts'

export const POISON_TOPIC = 'headrace.poison'
/** Headers of a record that was set aside, all texts, before those that it had itself. Its value and time are as they were. */
export const POISON_HEADER = {
  source: 'poison_source',
  topic: 'poison_topic',
  partition: 'poison_partition',
  sequence: 'poison_sequence',
  job: 'poison_job',
  run: 'poison_run',
  reason: 'poison_reason',
} as const

/** Records in one batch: it stays far under every broker's limit for a message, unless a record alone does not. */
const BATCH_BYTES_MAX = 512 * 1024

export interface Poisoned {
  readonly job: string
  readonly run: string
  readonly ranges: readonly Range[]
  readonly records: readonly SkippedRecord[]
}

/**
 * Lays records that a job could not use into `headrace.poison`. What of the same run lies at the end of the partition already is not laid down
 * again: a run that was cut off behind this is repeated whole.
 */
export async function layPoison(log: Log, writer: SourceId, poisoned: Poisoned): Promise<void> {
  const claim = await log.claim(writer, POISON_TOPIC)
  const there = await laidBefore(log, claim, poisoned.run)
  const rest = poisoned.records.filter(record => !there.has(`${record.source} ${record.sequence}`))
  for (let from = 0; from < rest.length; ) {
    const { next, proof } = await log.end(claim)
    const { producerId, epoch, epochStart } = claim
    const batch = new BatchWriter()
    batch.begin({ key: sourceKey(writer), producerId, epoch, epochStart, sequence: next })
    for (let bytes = 0; from < rest.length && bytes < BATCH_BYTES_MAX; from++) {
      const record = rest[from]
      if (!record) break
      const own = record.headers.filter(({ key }) => key !== 'seq')
      batch.append(record.timeMs, record.value, 0, record.value.length, [...headersOf(record, poisoned), ...own])
      bytes += record.value.length
    }
    const appended = await log.append(claim, batch.finish('none'), proof)
    if (appended.outcome !== 'appended' && appended.outcome !== 'repeated')
      throw new HeadraceError('log_unavailable', `bad records could not be laid into ${POISON_TOPIC}: ${appended.detail}`)
  }
}

function headersOf(record: SkippedRecord, { job, run, ranges }: Poisoned) {
  const range = ranges.find(each => each.source === record.source)
  const texts = {
    [POISON_HEADER.source]: record.source,
    [POISON_HEADER.topic]: range?.topic ?? '',
    [POISON_HEADER.partition]: range?.partition ?? '',
    [POISON_HEADER.sequence]: record.sequence,
    [POISON_HEADER.job]: job,
    [POISON_HEADER.run]: run,
    [POISON_HEADER.reason]: record.reason,
  }
  return Object.entries(texts).map(([key, text]) => ({ key, value: Buffer.from(String(text)) }))
}

/** What of this run lies at the end of the partition; it ends where another run's records begin. */
async function laidBefore(log: Log, claim: { topic: string; partition: number }, run: string): Promise<Set<string>> {
  const there = new Set<string>()
  const { first, next } = await log.end(claim)
  for (let at = next; at > first; ) {
    const [fetched] = await log.fetch([{ topic: claim.topic, partition: claim.partition, from: at - 1 }], {
      maxBytes: 1,
      waitMs: 0,
    })
    const records = (fetched?.batches ?? []).flatMap(batch => decodeBatch(batch)).filter(record => record.sequence < at)
    const own = records.filter(({ headers }) => textOf(headers, POISON_HEADER.run) === run)
    for (const { headers } of own)
      there.add(`${textOf(headers, POISON_HEADER.source)} ${textOf(headers, POISON_HEADER.sequence)}`)
    if (own.length === 0 || own.length < records.length) break
    at = records[0]?.sequence ?? first
  }
  return there
}

function textOf(headers: readonly { key: string; value: Buffer }[], name: string): string | undefined {
  return headers.find(({ key }) => key === name)?.value.toString('utf8')
}
