import type { LoadedPipeline } from '../config/load.ts'
import type { Log } from '../log/log.ts'
import type { BatchJob } from '../reader/batch/job.ts'
import type { Ledger } from '../reader/ledger.ts'
import { isStateTopic } from '../reader/realtime/shard-log.ts'
import { matchesSource, sourceKey } from '../runtime/names.ts'

export interface PartitionRow {
  readonly topic: string
  readonly partition: number
  readonly source: string
  readonly first: number | null
  readonly next: number | null
  /** Null: nothing is ever deleted. */
  readonly retention: {
    readonly age_ms: number | null
    readonly size_bytes: number | null
    readonly unread: 'keep' | 'delete'
  } | null
  /** The batch job of this core that has read least of it, and up to where; null where none reads it. */
  readonly slowest: { readonly job: string; readonly offset: number } | null
}

/** What `headrace partitions` and the console ask of a running core. */
export function partitionCalls(parts: {
  log: Log
  ledger: Ledger
  /** As they are when it is asked. */
  now: () => { readonly jobs: readonly BatchJob[]; readonly pipelines: readonly LoadedPipeline[] }
}) {
  const { log, ledger, now } = parts
  return {
    partitions: async (): Promise<PartitionRow[]> => {
      const { jobs, pipelines } = now()
      const claims = (await log.claims()).filter(({ topic }) => !isStateTopic(topic))
      const ends = await log.ends(claims)
      const offsets = new Map(jobs.map(job => [job, ledger.offsets(job.definition.name)]))
      return claims.map(claim => {
        const { topic, partition, source } = claim
        const end = ends.get(claim)
        const retention = pipelines.find(each => each.topic === topic && each.config.retention)?.config.retention
        const readers = jobs
          .filter(
            ({ definition }) =>
              definition.topic === topic && definition.options.sources.some(glob => matchesSource(glob, source)),
          )
          .map(job => ({ job: job.definition.name, offset: offsets.get(job)?.get(sourceKey(source)) ?? end?.first ?? 0 }))
          .sort((a, b) => a.offset - b.offset)
        return {
          topic,
          partition,
          source: sourceKey(source),
          first: end?.first ?? null,
          next: end?.next ?? null,
          retention: retention
            ? { age_ms: retention.age ?? null, size_bytes: retention.size ?? null, unread: retention.unread }
            : null,
          slowest: readers[0] ?? null,
        }
      })
    },
  }
}
