import type { Claim, Log } from '../log/log.ts'
import { readOffsets } from '../reader/batch/adopt.ts'
import type { BatchJob } from '../reader/batch/job.ts'
import type { Bound } from '../reader/batch/plan.ts'
import type { Positions } from '../reader/batch/positions.ts'
import type { RunResult } from '../reader/batch/runner.ts'
import type { BatchScheduler } from '../reader/batch/scheduler.ts'
import type { Ledger } from '../reader/ledger.ts'
import { HeadraceError } from '../runtime/errors.ts'
import { matchesSource, sourceKey } from '../runtime/names.ts'
import { POISON_AT_ONCE, recordNamed } from './poison-pages.ts'
import { lossJson, runJson } from './run-json.ts'
import { runLogTail } from './run-log-tail.ts'

const RUNS_SHOWN = 20
/** Runs that are kept of a job, and looked through for one. */
const RUNS_SEARCHED = 1_000
const MEMBERS_SHOWN = 5
const NAMES_SHOWN = 5

type Args = Readonly<Record<string, unknown>>

/** Where `batch reset` and `batch adopt` put a job, or would put it. */
export interface Moved {
  readonly source: string
  /** Null where it stood nowhere yet: at the beginning. */
  readonly before: number | null
  /** Null where the other reader has no offset of it: it stays where it stands. */
  readonly offset: number | null
}

/** What `headrace batch …` asks of a running core. */
export function batchCalls(scheduler: BatchScheduler, ledger: Ledger, log: Log) {
  const find = (args: Args): BatchJob => {
    const found = scheduler.named(String(args['job']))
    const [job] = found
    if (found.length > 1) {
      const names = found.map(({ definition }) => definition.name).join(' or ')
      throw new HeadraceError('config_invalid', `several pipelines have a batch job "${args['job']}"`, {
        advice: `Write ${names}.`,
      })
    }
    if (job) return job
    const known = scheduler.names()
    throw new HeadraceError('not_found', `there is no batch job "${args['job']}" on this core`, {
      advice: known.length === 0 ? 'Its pipelines declare none.' : `Known: ${known.join(', ')}.`,
    })
  }
  /** Puts the job where `target` says for each claim; all or, where one is not in the log, none. */
  const move = (
    args: Args,
    target: (claims: readonly Claim[], positions: Positions) => Promise<ReadonlyMap<Claim, number>>,
  ): Promise<Moved[]> => {
    const job = find(args)
    return job.move(async (all, positions) => {
      const glob = String(args['source'] ?? '*')
      const claims = all.filter(claim => matchesSource(glob, claim.source))
      if (claims.length === 0) throw new HeadraceError('not_found', `the job reads no source that fits "${glob}"`)
      const before = await positions.of(all)
      const targets = await target(claims, positions)
      await checkWithin(log, targets)
      const offsets = new Map([...targets].map(([claim, offset]) => [sourceKey(claim.source), offset]))
      if (args['dry'] !== true) await positions.set(offsets, all)
      return claims.map(claim => {
        const source = sourceKey(claim.source)
        return { source, before: before.get(source) ?? null, offset: offsets.get(source) ?? null }
      })
    })
  }
  return {
    'batch.list': async () => scheduler.status(),
    'batch.run': async (args: Args) => {
      const acceptLoss = args['accept_loss'] === true ? ({ acceptLoss: true } as const) : {}
      const job = find(args)
      const result = await scheduler.run(job, acceptLoss)
      return result.outcome === 'empty' ? { outcome: 'empty', sources: (await job.claims()).length } : answerOf(result)
    },
    'batch.backfill': async (args: Args) => {
      const job = find(args)
      const options = { from: args['from'] as Bound, to: args['to'] as Bound, source: String(args['source'] ?? '*') }
      return answerOf(await scheduler.carry(job, signal => job.backfill(signal, options)))
    },
    'batch.progress': async (args: Args) => {
      const { progress } = find(args)
      return progress ? { records: progress.records, total: progress.total, records_per_second: progress.recordsPerSecond } : null
    },
    'batch.runs': async (args: Args) => ledger.runs(find(args).definition.name, RUNS_SHOWN).map(runJson),
    'batch.log': async (args: Args) => {
      const job = find(args).definition.name
      const wanted = args['run'] === undefined ? undefined : String(args['run'])
      const run = ledger.runs(job, RUNS_SEARCHED).find(({ id }) => wanted === undefined || id === wanted)
      if (run) return runLogTail(run)
      throw new HeadraceError('not_found', wanted === undefined ? `job ${job} never ran` : `job ${job} has no run ${wanted}`, {
        advice: `See "headrace batch runs ${job}".`,
      })
    },
    'batch.losses': async (args: Args) => ledger.losses(find(args).definition.name).map(lossJson),
    'batch.poison': async (args: Args) =>
      ledger.allPoison(find(args).definition.name, POISON_AT_ONCE, recordNamed(args['after'])),
    'batch.offsets': async (args: Args) => {
      const job = find(args)
      const ranges = await job.positions()
      return ranges.map(({ source, topic, partition, at, from, to, lost }) => ({
        source,
        topic,
        partition,
        offset: at,
        end: to,
        lag: to - from,
        lost,
      }))
    },
    'batch.reset': (args: Args) =>
      move(args, async claims => {
        const ends = await log.ends(claims)
        const targets = claims.map(async (claim): Promise<[Claim, number]> => {
          const end = ends.get(claim)
          if (!end) throw new HeadraceError('log_unavailable', `the end of ${sourceKey(claim.source)} could not be read`)
          if (args['to_time'] !== undefined) return [claim, await log.offsetAt(claim, Number(args['to_time']))]
          const to = args['to']
          return [claim, to === 'end' ? end.next : to === 'beginning' ? end.first : Number(to)]
        })
        return new Map(await Promise.all(targets))
      }),
    'batch.adopt': (args: Args) =>
      move(args, async (claims, positions) => {
        const { group, offsets } = args
        if (group !== undefined) await checkLeft(log, String(group))
        const known = group === undefined ? readOffsets(String(offsets), claims) : await positions.ofGroup(String(group), claims)
        if (args['source'] === undefined) checkNames(known, claims)
        const found = claims.flatMap(claim => {
          const offset = known.get(sourceKey(claim.source))
          return offset === undefined ? [] : [[claim, offset] as const]
        })
        if (found.length > 0) return new Map(found)
        throw new HeadraceError(
          'not_found',
          group === undefined
            ? "the file has no offset of the job's sources"
            : `group ${group} has committed nothing for the job's sources`,
          { advice: 'See "headrace batch offsets" for the topic and partitions that the job reads.' },
        )
      }),
  }
}

function answerOf(result: RunResult) {
  if (result.outcome === 'empty') return { outcome: 'empty' }
  const { outcome, run, repeated } = result
  return { outcome, run: runJson(run), ...(repeated && { repeated: runJson(repeated) }) }
}

/** A name that is mistaken would be a source that is read from its beginning once more. */
function checkNames(offsets: ReadonlyMap<string, number>, claims: readonly Claim[]): void {
  const own = new Set(claims.map(({ source }) => sourceKey(source)))
  const strange = [...offsets.keys()].filter(name => !own.has(name))
  if (strange.length === 0) return
  throw new HeadraceError('not_found', `the job reads no source called ${strange.slice(0, NAMES_SHOWN).join(', ')}`, {
    advice:
      'Mend or remove that line; --source takes over the offsets of some only. "headrace batch offsets" shows what the job reads.',
  })
}

/** Offsets of a group that is still being read would be behind by the time that they are taken: its records would come twice. */
async function checkLeft(log: Log, group: string): Promise<void> {
  const members = await log.groupMembers(group)
  if (members.length === 0) return
  const shown = members.slice(0, MEMBERS_SHOWN).map(({ client, host, id }) => `${client} at ${host.replace(/^\//, '')} (${id})`)
  const more = members.length > shown.length ? `, and ${members.length - shown.length} more` : ''
  throw new HeadraceError('group_in_use', `group ${group} is still being read: ${shown.join(', ')}${more}`, {
    advice: 'Stop the old job first, then adopt. One that was killed counts until its session times out (45 s, unless set).',
  })
}

async function checkWithin(log: Log, targets: ReadonlyMap<Claim, number>): Promise<void> {
  const ends = await log.ends([...targets.keys()])
  for (const [claim, offset] of targets) {
    const end = ends.get(claim)
    if (!end) throw new HeadraceError('log_unavailable', `the end of ${sourceKey(claim.source)} could not be read`)
    if (Number.isSafeInteger(offset) && offset >= end.first && offset <= end.next) continue
    throw new HeadraceError('offset_out_of_range', `${sourceKey(claim.source)}: ${offset} is not in [${end.first}, ${end.next}]`)
  }
}
