import { Command } from 'commander'
import { control } from '../../console/control-client.ts'
import type { JobStatus } from '../../reader/batch/scheduler.ts'
import type { Run } from '../../reader/ledger.ts'
import { resetTarget } from '../arguments.ts'
import { EXIT, print, printJson, table } from '../output.ts'
import { controlOf, type WhereOptions } from '../where.ts'

type Options = WhereOptions & { json?: true }

interface OffsetRow {
  readonly source: string
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly end: number
  readonly lag: number
}

export function batchCommand(): Command {
  const command = new Command('batch').description('Runs batch jobs of a core and shows where they stand.')
  const add = (sub: Command) =>
    command.addCommand(
      sub
        .option('--config <file>', 'core.yaml')
        .option('--state <directory>', 'the state directory; ./.headrace unless set')
        .option('--json', 'for programs')
        .exitOverride(),
    )
  const job = ['<job>', '<pipeline>.<job>, or the name of the job alone'] as const
  add(new Command('list').description('Lists the jobs.').action(list))
  add(
    new Command('run')
      .description('Runs a job now.')
      .argument(...job)
      .action(runNow),
  )
  add(
    new Command('runs')
      .description('Shows the latest runs of a job.')
      .argument(...job)
      .action(runs),
  )
  add(
    new Command('offsets')
      .description('Shows where a job stands in each source.')
      .argument(...job)
      .action(offsets),
  )
  add(
    new Command('reset')
      .description('Puts a job back or forth; only while it does not run.')
      .argument(...job)
      .requiredOption('--to <offset>', 'beginning, end, or an offset', resetTarget)
      .option('--source <glob>', 'in these sources only')
      .option('--dry-run', 'shows what would be, and changes nothing')
      .action(reset),
  )
  return command
}

async function list(options: Options): Promise<void> {
  const jobs = await control<JobStatus[]>(controlOf(options, 'core'), 'batch.list')
  if (options.json) printJson(jobs)
  else
    print(
      table(
        ['job', 'last run', 'records', 'lag', 'next run'],
        jobs.map(each => [
          each.job,
          each.last_run?.state ?? 'never run',
          each.last_run?.records ?? 0,
          each.lag ?? '?',
          each.next_run ?? 'by hand',
        ]),
      ),
    )
}

async function runNow(job: string, options: Options): Promise<void> {
  const result = await control<{ outcome: string; run?: Run }>(controlOf(options, 'core'), 'batch.run', { job })
  if (options.json) printJson(result)
  else if (!result.run) print('Nothing new to read.')
  else
    print(
      `run ${result.run.id}: ${result.outcome}, ${result.run.records} records${result.run.error ? `: ${result.run.error}` : ''}`,
    )
  if (result.outcome === 'failed') process.exitCode = EXIT.failed
}

async function runs(job: string, options: Options): Promise<void> {
  const found = await control<Run[]>(controlOf(options, 'core'), 'batch.runs', { job })
  if (options.json) printJson(found)
  else
    print(
      table(
        ['run', 'state', 'started', 'records', 'placeholders', ''],
        found.map(run => [
          run.id,
          run.state,
          new Date(run.startedMs).toISOString(),
          run.records,
          run.placeholders,
          run.error ?? '',
        ]),
      ),
    )
}

async function offsets(job: string, options: Options): Promise<void> {
  const rows = await control<OffsetRow[]>(controlOf(options, 'core'), 'batch.offsets', { job })
  if (options.json) printJson(rows)
  else
    print(
      table(
        ['source', 'partition', 'offset', 'end', 'lag'],
        rows.map(row => [row.source, `${row.topic}[${row.partition}]`, row.offset, row.end, row.lag]),
      ),
    )
}

async function reset(job: string, options: Options & { to: string; source?: string; dryRun?: true }): Promise<void> {
  const { to, source, dryRun } = options
  const moved = await control<Record<string, number>>(controlOf(options, 'core'), 'batch.reset', {
    job,
    to,
    ...(source && { source }),
    dry: dryRun === true,
  })
  if (options.json) printJson(moved)
  else print(table(['source', dryRun ? 'would stand at' : 'stands at'], Object.entries(moved)))
}
