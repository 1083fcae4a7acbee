import type { Log, Place } from '../../src/log/log.ts'
import { visitRecords } from '../../src/record/batch-reader.ts'
import { until } from '../support/until.ts'

const CLAIM_LIMIT_MS = 60_000
const WAIT_MS = 500
const BYTES_MAX = 4 * 2 ** 20

/** A record as it was seen in Kafka, and when, ms since the epoch with a fraction. */
export interface Seen {
  readonly value: string
  readonly timeMs: number
  readonly atMs: number
}

/** Now, ms since the epoch, finer than the system's own clock says. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now()
}

/** Reads one source's partition as any consumer would, by a fetch that waits, and gives every record with the time at which it was there. */
export async function watchLog(
  log: Log,
  source: { gateway: string; source: string },
  options: { signal: AbortSignal; seen: (record: Seen) => void },
): Promise<void> {
  const { signal, seen } = options
  const claim = await until('the source has its partition', () => log.claimOf(source), CLAIM_LIMIT_MS)
  await watchPlaces(log, [{ topic: claim.topic, partition: claim.partition }], { signal, seen })
}

/** The same of partitions that are known, by one fetch for all. */
export async function watchPlaces(
  log: Log,
  places: readonly Place[],
  options: { signal: AbortSignal; seen: (record: Seen) => void },
): Promise<void> {
  const { signal, seen } = options
  const nextOf = (place: Place) => log.end(place).then(({ next }) => next)
  const at = new Map(await Promise.all(places.map(async place => [keyOf(place), await nextOf(place)] as const)))
  while (!signal.aborted) {
    const wanted = places.map(({ topic, partition }) => ({ topic, partition, from: at.get(keyOf({ topic, partition })) ?? 0 }))
    const fetched = await log.fetch(wanted, { maxBytes: BYTES_MAX, waitMs: WAIT_MS, signal })
    const atMs = nowMs()
    for (const { topic, partition, batches } of fetched) {
      const key = keyOf({ topic, partition })
      for (const batch of batches) {
        visitRecords(batch, view => {
          if (view.sequence < (at.get(key) ?? 0)) return
          at.set(key, view.sequence + 1)
          if (view.valueFrom < 0) return
          seen({ value: view.bytes.toString('latin1', view.valueFrom, view.valueTo), timeMs: view.timeMs, atMs })
        })
      }
    }
  }
}

function keyOf({ topic, partition }: Place): string {
  return `${topic} ${partition}`
}

/** The value below which this part of all lies. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN
}
