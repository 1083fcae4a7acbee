import type { Log } from '../log/log.ts'
import type { BatchScheduler } from '../reader/batch/scheduler.ts'
import type { Ledger } from '../reader/ledger.ts'
import { HeadraceError } from '../runtime/errors.ts'
import { matchesSource, sourceKey } from '../runtime/names.ts'

const RUNS_LOOKED_AT = 1_000

/** Where one reading of one source is, as a core sees it. */
export interface InLog {
  readonly source: string
  readonly topic: string
  readonly partition: number
  /** Its number, which is its offset; null where no record is as late as the time asked for. */
  readonly seq: number | null
  /** `ahead`: the log does not have it yet; `trimmed`: it had it. */
  readonly place: 'ahead' | 'in the log' | 'trimmed'
  readonly first: number
  readonly next: number
  /** What each job did with it: the run that took it, or that it waits. */
  readonly jobs: readonly { readonly job: string; readonly run: string | null; readonly state: string }[]
}

/** Answers `where`: `source` (a name or a glob) with `seq`, or with `time_ms`. */
export async function whereInLog(
  { log, scheduler, ledger }: { log: Log; scheduler: BatchScheduler; ledger: Ledger },
  args: Readonly<Record<string, unknown>>,
): Promise<InLog[]> {
  const glob = String(args['source'])
  const claims = (await log.claims()).filter(claim => matchesSource(glob, claim.source))
  if (claims.length === 0)
    throw new HeadraceError('not_found', `no source in the log fits "${glob}"`, {
      advice: 'See "headrace status" for those that do.',
    })
  return Promise.all(
    claims.map(async claim => {
      const { first, next } = await log.end(claim)
      const found = args['seq'] === undefined ? await log.offsetAt(claim, Number(args['time_ms'])) : Number(args['seq'])
      const place = found >= next ? 'ahead' : found < first ? 'trimmed' : 'in the log'
      const seq = args['seq'] === undefined && found >= next ? null : found
      const key = sourceKey(claim.source)
      const jobs = seq === null ? [] : scheduler.names().flatMap(job => takenBy(ledger, job, key, seq))
      return { source: key, topic: claim.topic, partition: claim.partition, seq, place, first, next, jobs }
    }),
  )
}

function takenBy(ledger: Ledger, job: string, source: string, seq: number): InLog['jobs'] {
  const run = ledger
    .runs(job, RUNS_LOOKED_AT)
    .find(
      ({ state, ranges }) =>
        state !== 'failed' && ranges.some(each => each.source === source && each.from <= seq && seq < each.to),
    )
  if (run) return [{ job, run: run.id, state: run.state }]
  const next = ledger.offsets(job).get(source)
  return next === undefined ? [] : [{ job, run: null, state: seq < next ? 'done, by a run that is forgotten' : 'waits' }]
}
