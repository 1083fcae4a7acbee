import { Command } from 'commander'
import { control } from '../../console/control-client.ts'
import type { JobStatus } from '../../reader/batch/scheduler.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import { boundArgument, momentArgument, resetTarget } from '../arguments.ts'
import type { Moved } from '../batch-calls.ts'
import { jobsTable, lagText, runsTable } from '../batch-tables.ts'
import { fittedTable, terminalSize } from '../fitted-table.ts'
import { readGiven } from '../given-file.ts'
import { EXIT, print, printJson, table } from '../output.ts'
import { everyPoison } from '../poison-pages.ts'
import { withProgress } from '../progress-bar.ts'
import type { LossJson, RunJson } from '../run-json.ts'
import type { RunLogTail } from '../run-log-tail.ts'
import { controlOf, type WhereOptions } from '../where.ts'

interface Options extends WhereOptions {
  json?: true
}

const OFFSETS_FILE_BYTES_MAX = 48 * 1024

/** One of the two. */
interface BoundArgument {
  readonly timeMs?: number
  readonly sequence?: number
}

interface Answer {
  readonly outcome: string
  readonly run?: RunJson
  /** Where there was nothing to read: how many sources of the log it reads. */
  readonly sources?: number
  /** The run before it that had failed, and was repeated first. */
  readonly repeated?: RunJson
}

interface OffsetRow {
  readonly source: string
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly end: number
  readonly lag: number
  readonly lost: number
}

export function batchCommand(): Command {
  const command = new Command('batch').description('Runs batch jobs of a core and shows where they stand.')
  const add = (sub: Command) =>
    command.addCommand(
      sub
        .option('--config <file>', 'core.yaml')
        .option('--state <directory>', 'the state directory; ./.headrace unless set')
        .option('--json', 'for programs'),
    )
  const job = ['<job>', '<pipeline>.<job>, or the name of the job alone'] as const
  add(new Command('list').description('Lists the jobs.').action(list))
  add(
    new Command('run')
      .description('Runs a job now.')
      .argument(...job)
      .option('--accept-loss', 'goes on without records that the log has no more; what was given up is kept')
      .action(runNow),
  )
  add(
    new Command('backfill')
      .description('Runs a job over a part of the log, beside its offsets.')
      .argument(...job)
      .requiredOption(
        '--from <bound>',
        'the first record: a time (2026-01-31, 2026-01-31T02:00:00Z), or a sequence',
        boundArgument,
      )
      .requiredOption('--to <bound>', 'where it ends: a time, or a sequence; what is there is not part of it', boundArgument)
      .option('--source <glob>', 'of these sources only')
      .action(backfill),
  )
  add(
    new Command('runs')
      .description('Shows the latest runs of a job.')
      .argument(...job)
      .action(runs),
  )
  add(
    new Command('log')
      .description('Shows the end of what the command of a run said.')
      .argument(...job)
      .argument('[run]', 'id of the run; the latest unless set')
      .action(log),
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
      .option('--to <offset>', 'beginning, end, or an offset', resetTarget)
      .option('--to-time <time>', 'the first record that is not older, in each source', momentArgument)
      .option('--source <glob>', 'in these sources only')
      .option('--dry-run', 'shows what would be, and changes nothing')
      .action(reset),
  )
  add(
    new Command('adopt')
      .description('Puts a job where another reader has stopped, so that it goes on there; only while it does not run.')
      .argument(...job)
      .option('--group <name>', 'a Kafka consumer group')
      .option('--file <file>', 'offsets as kafka-consumer-groups --export prints them, or as JSON by source')
      .option('--source <glob>', 'in these sources only')
      .option('--dry-run', 'shows what would be, and changes nothing')
      .action(adopt),
  )
  add(
    new Command('losses')
      .description('Shows records that a job never had, because the log had them no more.')
      .argument(...job)
      .action(losses),
  )
  add(
    new Command('poison')
      .description('Shows records that a job could not use; they lie in headrace.poison.')
      .argument(...job)
      .action(poison),
  )
  return command
}

async function list(options: Options): Promise<void> {
  const jobs = await control<JobStatus[]>(controlOf(options, 'core'), 'batch.list')
  if (options.json) printJson(jobs)
  else print(jobsTable(jobs, terminalSize().columns))
}

async function runNow(job: string, options: Options & { acceptLoss?: true }): Promise<void> {
  const path = controlOf(options, 'core')
  const run = control<Answer>(path, 'batch.run', { job, accept_loss: options.acceptLoss === true })
  const answer = await withProgress(path, job, run)
  const nothing = answer.sources === 0 ? 'Nothing to read: none of its `sources` has a record in the log.' : undefined
  sayResult(answer, options, nothing)
}

async function backfill(
  job: string,
  options: Options & { from: BoundArgument; to: BoundArgument; source?: string },
): Promise<void> {
  const { from, to, source } = options
  const isTurned = (unit: 'timeMs' | 'sequence') =>
    (from[unit] ?? Number.NEGATIVE_INFINITY) >= (to[unit] ?? Number.POSITIVE_INFINITY)
  if (isTurned('timeMs') || isTurned('sequence')) throw new HeadraceError('config_invalid', '--from has to lie before --to')
  const path = controlOf(options, 'core')
  const run = control<Answer>(path, 'batch.backfill', { job, from, to, ...(source && { source }) })
  sayResult(await withProgress(path, job, run), options, 'No record lies between these bounds.')
}

function sayResult({ outcome, run, repeated, sources }: Answer, options: Options, nothing = 'Nothing new to read.'): void {
  if (options.json)
    printJson({ outcome, ...(run && { run }), ...(repeated && { repeated }), ...(sources !== undefined && { sources }) })
  else if (!run) print(nothing)
  else {
    if (repeated) print(`run ${repeated.id}: repeated, ${repeated.state}, ${repeated.records} records`)
    const dead = run.dead > 0 ? `, ${run.dead} set aside` : ''
    print(`run ${run.id}: ${outcome}, ${run.records} records${dead}${run.error ? `: ${run.error}` : ''}`)
    if (outcome === 'failed' && run.log !== null) print(`What the command said is in ${run.log}`)
  }
  if (outcome === 'failed') process.exitCode = EXIT.failed
}

async function runs(job: string, options: Options): Promise<void> {
  const found = await control<RunJson[]>(controlOf(options, 'core'), 'batch.runs', { job })
  if (options.json) printJson(found)
  else print(runsTable(found))
}

async function log(job: string, run: string | undefined, options: Options): Promise<void> {
  const found = await control<RunLogTail>(controlOf(options, 'core'), 'batch.log', { job, ...(run !== undefined && { run }) })
  if (options.json) printJson(found)
  else {
    if (found.from > 0) print(`… ${found.from} bytes before, in ${found.path}`)
    print(found.text.trimEnd())
  }
}

async function offsets(job: string, options: Options): Promise<void> {
  const rows = await control<OffsetRow[]>(controlOf(options, 'core'), 'batch.offsets', { job })
  if (options.json) printJson(rows)
  else
    print(
      fittedTable(
        ['source', 'partition', 'offset', 'end', 'lag'],
        rows.map(row => [row.source, `${row.topic}[${row.partition}]`, row.offset, row.end, lagText(row)]),
        { names: ['source', 'partition'], spare: ['partition', 'end'] },
        terminalSize().columns,
      ),
    )
}

interface MoveOptions extends Options {
  source?: string
  dryRun?: true
}

async function reset(job: string, options: MoveOptions & { to?: string; toTime?: number }): Promise<void> {
  const { to, toTime, source, dryRun } = options
  if ((to === undefined) === (toTime === undefined))
    throw new HeadraceError('config_invalid', 'reset needs either --to or --to-time')
  const target = to === undefined ? { to_time: toTime } : { to }
  const args = { job, ...target, ...(source && { source }), dry: dryRun === true }
  sayMoved(await control<Moved[]>(controlOf(options, 'core'), 'batch.reset', args), options)
}

async function adopt(job: string, options: MoveOptions & { group?: string; file?: string }): Promise<void> {
  const { group, file, source, dryRun } = options
  if ((group === undefined) === (file === undefined))
    throw new HeadraceError('config_invalid', 'adopt needs either --group or --file')
  const from = file === undefined ? { group } : { offsets: readOffsetsFile(file) }
  const args = { job, ...from, ...(source && { source }), dry: dryRun === true }
  sayMoved(await control<Moved[]>(controlOf(options, 'core'), 'batch.adopt', args), options)
}

/** It goes over the control socket whole, whose requests have a bound. */
function readOffsetsFile(file: string): string {
  const text = readGiven('--file', file)
  if (Buffer.byteLength(text) <= OFFSETS_FILE_BYTES_MAX) return text
  throw new HeadraceError('config_invalid', `${file} is larger than ${OFFSETS_FILE_BYTES_MAX} bytes`, {
    advice: 'Split it: what a file does not name stays where it is.',
  })
}

function sayMoved(moved: readonly Moved[], { json, dryRun }: MoveOptions): void {
  const found = moved.filter(({ offset }) => offset !== null)
  if (json) printJson(Object.fromEntries(found.map(({ source, offset }) => [source, offset])))
  else
    print(
      table(
        ['source', 'stood at', dryRun ? 'would stand at' : 'stands at'],
        moved.map(({ source, before, offset }) => [
          source,
          before ?? 'the beginning',
          offset ?? 'the same: no offset of it is there',
        ]),
      ),
    )
}

async function losses(job: string, options: Options): Promise<void> {
  const found = await control<LossJson[]>(controlOf(options, 'core'), 'batch.losses', { job })
  if (options.json) printJson(found)
  else
    print(
      table(
        ['source', 'from', 'to', 'records', 'accepted'],
        found.map(({ source, first, next, accepted_ms }) => [
          source,
          first,
          next,
          next - first,
          new Date(accepted_ms).toISOString(),
        ]),
      ),
    )
}

async function poison(job: string, options: Options): Promise<void> {
  const path = controlOf(options, 'core')
  const found = await everyPoison(after => control(path, 'batch.poison', { job, ...(after !== undefined && { after }) }))
  if (options.json) printJson(found)
  else
    print(
      table(
        ['source', 'seq', 'run', 'reason'],
        found.map(({ source, sequence, run, reason }) => [source, sequence, run, reason]),
      ),
    )
}
