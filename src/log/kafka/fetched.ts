import { AT, ATTRIBUTE, BATCH_HEADER_BYTES, BATCH_PREFIX_BYTES } from '../../record/batch-header.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import type { Fetched, Place } from '../log.ts'
import { EARLIEST, LATEST, listOffsets } from './apis.ts'
import type { KafkaCluster } from './cluster.ts'
import { KAFKA_ERROR } from './error-codes.ts'
import type { FetchedPart } from './fetch-api.ts'

/** The share of one partition in a fetch is not less, so that few partitions do not take many fetches. */
const BYTES_EACH_MIN = 1024 * 1024

/** Bytes that one of so many may bring, of so many in all: partitions of a fetch, unless the `least` of something else is named. */
export function shareOf(maxBytes: number, sharers: number, least = BYTES_EACH_MIN): number {
  return Math.max(least, Math.floor(maxBytes / sharers))
}

/**
 * The whole batches of a partition in a response, as views of it, and the offset behind them. A broker cuts the last one off where the bytes end; control
 * batches are its own.
 */
export function splitBatches({ records }: FetchedPart, from: number): { batches: Buffer[]; next: number } {
  const batches: Buffer[] = []
  let next = from
  if (!records) return { batches, next }
  for (let at = 0; at + BATCH_HEADER_BYTES <= records.length; ) {
    const size = records.readInt32BE(at + AT.batchLength) + BATCH_PREFIX_BYTES
    if (size < BATCH_HEADER_BYTES || at + size > records.length) break
    const control = records.readInt16BE(at + AT.attributes) & ATTRIBUTE.control
    const end = Number(records.readBigInt64BE(at)) + records.readInt32BE(at + AT.lastOffsetDelta)
    if (!control && end >= from) batches.push(records.subarray(at, at + size))
    next = Math.max(next, end + 1)
    at += size
  }
  return { batches, next }
}

/**
 * What is said of a partition that was to be read from outside of its bounds; nothing where the leader moved meanwhile: the next one may hold what is
 * asked for.
 */
export async function boundsOutside(cluster: KafkaCluster, node: number, { topic, partition }: Place): Promise<Fetched[]> {
  const places = [{ topic, partition }]
  const [first] = await cluster.request(node, listOffsets, { places, timestamp: EARLIEST })
  const [next] = await cluster.request(node, listOffsets, { places, timestamp: LATEST })
  if (first?.error === KAFKA_ERROR.none && next?.error === KAFKA_ERROR.none)
    return [{ topic, partition, first: first.offset, next: next.offset, batches: [], outOfRange: true }]
  cluster.forgetLeader({ topic, partition })
  return []
}

export function unread({ topic, partition, error }: FetchedPart): HeadraceError {
  return new HeadraceError('log_unavailable', `${topic}[${partition}] cannot be read: Kafka error ${error}`)
}
