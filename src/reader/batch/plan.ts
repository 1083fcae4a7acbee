import { createHash } from 'node:crypto'
import type { Claim, Log } from '../../log/log.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import { matchesSource, sourceKey } from '../../runtime/names.ts'
import type { Range } from '../ledger.ts'

/** The claims of a topic whose sources match one of the globs, in the order of their partitions. */
export async function claimsOf(log: Log, topic: string, globs: readonly string[]): Promise<Claim[]> {
  const claims = await log.claims()
  return claims
    .filter(claim => claim.topic === topic && globs.some(glob => matchesSource(glob, claim.source)))
    .sort((a, b) => a.partition - b.partition)
}

/**
 * What a run will read: for each source from the job's offset to the end of its partition as it is now. The end is frozen here; what comes
 * later is for the next run. A job's offset that the log no longer has is an error which names source and range.
 */
export async function planRun(log: Log, claims: readonly Claim[], offsets: ReadonlyMap<string, number>): Promise<Range[]> {
  const ends = await log.ends(claims)
  return claims.map(claim => {
    const source = sourceKey(claim.source)
    const end = ends.get(claim)
    if (!end)
      throw new HeadraceError('log_unavailable', `the end of ${claim.topic}[${claim.partition}] (${source}) could not be read`)
    const from = offsets.get(source) ?? end.first
    if (from < end.first || from > end.next) {
      const lost = from < end.first ? `[${from}, ${end.first})` : `[${end.next}, ${from})`
      throw new HeadraceError(
        'offset_out_of_range',
        `${source}: the job stands at ${from}, the log has [${end.first}, ${end.next}): ${lost} is not there`,
        {
          advice: `Look why it is gone (retention, a restored or recreated topic); then "headrace batch reset JOB --source ${source} --to ${end.first}".`,
        },
      )
    }
    return { source, topic: claim.topic, partition: claim.partition, from, to: end.next }
  })
}

/** The same job over the same ranges is the same run, however often it is begun. */
export function runId(job: string, ranges: readonly Range[]): string {
  const hash = createHash('sha256').update(job)
  for (const range of ranges) hash.update(`\0${range.source}\0${range.topic}\0${range.partition}\0${range.from}\0${range.to}`)
  return hash.digest('hex').slice(0, 16)
}
