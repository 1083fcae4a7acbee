import type { Log } from '../log/log.ts'
import type { BatchJob } from '../reader/batch/job.ts'
import { claimsOf } from '../reader/batch/plan.ts'
import type { BatchScheduler } from '../reader/batch/scheduler.ts'
import type { Ledger } from '../reader/ledger.ts'
import { HeadraceError } from '../runtime/errors.ts'
import { matchesSource, sourceKey } from '../runtime/names.ts'

const RUNS_SHOWN = 20

type Args = Readonly<Record<string, unknown>>

/** What `headrace batch …` asks of a running core. */
export function batchCalls(scheduler: BatchScheduler, ledger: Ledger, log: Log) {
  const find = (args: Args): BatchJob => {
    const job = scheduler.job(String(args['job']))
    if (job) return job
    const known = scheduler.names()
    throw new HeadraceError('not_found', `there is no batch job "${args['job']}" on this core`, {
      advice: known.length === 0 ? 'Its pipelines declare none.' : `Known: ${known.join(', ')}.`,
    })
  }
  return {
    'batch.list': async () => scheduler.status(),
    'batch.run': async (args: Args) => {
      const result = await scheduler.run(find(args))
      return result.outcome === 'empty' ? { outcome: 'empty' } : { outcome: result.outcome, run: result.run }
    },
    'batch.runs': async (args: Args) => ledger.runs(find(args).definition.name, RUNS_SHOWN),
    'batch.offsets': async (args: Args) => {
      const job = find(args)
      const ranges = await job.positions()
      return ranges.map(({ source, topic, partition, from, to }) => ({
        source,
        topic,
        partition,
        offset: from,
        end: to,
        lag: to - from,
      }))
    },
    'batch.reset': async (args: Args) => {
      const job = find(args)
      if (job.running)
        throw new HeadraceError('command_failed', `job ${job.definition.name} is running`, { advice: 'Wait until it has ended.' })
      const glob = String(args['source'] ?? '*')
      const claims = (await claimsOf(log, job.definition.topic, job.definition.options.sources)).filter(claim =>
        matchesSource(glob, claim.source),
      )
      if (claims.length === 0) throw new HeadraceError('not_found', `the job reads no source that fits "${glob}"`)
      const ends = await log.ends(claims)
      const offsets = new Map<string, number>()
      for (const claim of claims) {
        const end = ends.get(claim)
        if (!end) throw new HeadraceError('log_unavailable', `the end of ${sourceKey(claim.source)} could not be read`)
        const to = args['to'] === 'end' ? end.next : args['to'] === 'beginning' ? end.first : Number(args['to'])
        if (!Number.isSafeInteger(to) || to < end.first || to > end.next) {
          throw new HeadraceError(
            'offset_out_of_range',
            `${sourceKey(claim.source)}: ${args['to']} is not in [${end.first}, ${end.next}]`,
          )
        }
        offsets.set(sourceKey(claim.source), to)
      }
      if (args['dry'] !== true) ledger.setOffsets(job.definition.name, offsets)
      return Object.fromEntries(offsets)
    },
  }
}
