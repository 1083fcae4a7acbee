import { createHash } from 'node:crypto'
import type { Claim, Log } from '../../log/log.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import { namesSource, sourceKey } from '../../runtime/names.ts'
import { allEnds } from '../all-ends.ts'
import type { Range, RunKind } from '../ledger.ts'

/** The claims of a topic whose sources match one of the globs, in the order of their partitions. */
export async function claimsOf(log: Log, topic: string, globs: readonly string[]): Promise<Claim[]> {
  const claims = await log.claims()
  return claims
    .filter(claim => claim.topic === topic && namesSource(globs, claim.source))
    .sort((a, b) => a.partition - b.partition)
}

/**
 * What a run will read: for each source from the job's offset to the end of its partition as it is now, or to the first record that is not
 * older than `upToMs`. The end is frozen here; what comes later is for the next run. A job's offset that the log no longer has is an error
 * which names source and range.
 */
export async function planRun(
  log: Log,
  job: string,
  claims: readonly Claim[],
  offsets: ReadonlyMap<string, number>,
  upToMs?: number,
): Promise<Range[]> {
  const endOf = await allEnds(log, claims)
  return Promise.all(
    claims.map(async claim => {
      const source = sourceKey(claim.source)
      const end = endOf(claim)
      const from = offsets.get(source) ?? end.first
      if (from < end.first || from > end.next) throw notThere(job, source, from, end)
      const to = upToMs === undefined ? end.next : Math.min(end.next, Math.max(from, await log.offsetAt(claim, upToMs)))
      return { source, topic: claim.topic, partition: claim.partition, from, to }
    }),
  )
}

/** Where a job stands in a source, whatever became of what it has not read. */
export interface Standing extends Range {
  /** The first that it has not read; `from` is the first of these that is there. */
  readonly at: number
  /** Of what it has not read, records that the log has no more: what {@link planRun} refuses to leave out. */
  readonly lost: number
}

/** Where a job stands in each source, and how far the log goes. */
export async function standings(log: Log, claims: readonly Claim[], offsets: ReadonlyMap<string, number>): Promise<Standing[]> {
  const endOf = await allEnds(log, claims)
  return claims.map(claim => {
    const source = sourceKey(claim.source)
    const { first, next } = endOf(claim)
    const at = offsets.get(source) ?? first
    const from = Math.min(next, Math.max(first, at))
    return { source, topic: claim.topic, partition: claim.partition, at, from, to: next, lost: Math.abs(from - at) }
  })
}

/** What a run means to read has to be there still: one that is repeated was planned in another night. Throws as {@link planRun} does. */
export async function checkThere(log: Log, job: string, claims: readonly Claim[], ranges: readonly Range[]): Promise<void> {
  const endOf = await allEnds(log, claims)
  const rangeOf = new Map(ranges.map(range => [range.source, range]))
  for (const claim of claims) {
    const source = sourceKey(claim.source)
    const range = rangeOf.get(source)
    const end = endOf(claim)
    if (range && range.from < Math.min(range.to, end.first)) throw notThere(job, source, range.from, end)
  }
}

function notThere(job: string, source: string, from: number, end: { first: number; next: number }): HeadraceError {
  const lost = from < end.first ? `[${from}, ${end.first})` : `[${end.next}, ${from})`
  return new HeadraceError(
    'offset_out_of_range',
    `${source}: the job stands at ${from}, the log has [${end.first}, ${end.next}): ${lost} is not there`,
    {
      advice: `Look why it is gone (retention, a restored or recreated topic); then "headrace batch run ${job} --accept-loss" goes on without it and keeps that it did, or "headrace batch reset ${job} --source ${source} --to ${end.first}" moves the job.`,
    },
  )
}

/** A bound of a backfill: a time in ms, or a sequence. */
export type Bound = { readonly timeMs: number } | { readonly sequence: number }

/** What a backfill will read of each source: `[from, to)`, by event time or by sequence. What the log does not have is an error, by sequence; by time it is what there is. */
export async function planBackfill(log: Log, claims: readonly Claim[], from: Bound, to: Bound): Promise<Range[]> {
  const endOf = await allEnds(log, claims)
  return Promise.all(
    claims.map(async claim => {
      const source = sourceKey(claim.source)
      const end = endOf(claim)
      const offsetOf = (bound: Bound) => ('timeMs' in bound ? log.offsetAt(claim, bound.timeMs) : bound.sequence)
      const first = await offsetOf(from)
      const next = Math.min(await offsetOf(to), end.next)
      if (first < end.first)
        throw new HeadraceError(
          'offset_out_of_range',
          `${source}: the backfill begins at ${first}, the log has [${end.first}, ${end.next})`,
          { advice: `Begin at ${end.first} or later.` },
        )
      return { source, topic: claim.topic, partition: claim.partition, from: Math.min(first, next), to: next }
    }),
  )
}

/** The same job over the same ranges is the same run, however often it is begun. A backfill is another one than the run that read these ranges. */
export function runId(job: string, ranges: readonly Range[], kind: RunKind = 'run'): string {
  const hash = createHash('sha256').update(kind === 'run' ? job : `${job}\0${kind}`)
  for (const range of ranges) hash.update(`\0${range.source}\0${range.topic}\0${range.partition}\0${range.from}\0${range.to}`)
  return hash.digest('hex').slice(0, 16)
}
