import { existsSync } from 'node:fs'
import { Command } from 'commander'
import { control } from '../../console/control-client.ts'
import type { AnalyserStatus } from '../../reader/realtime/analyser-status.ts'
import type { GatewayAnalyserStatus } from '../../reader/realtime/gateway-runner.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import { sizeText } from '../../runtime/units.ts'
import { lagText } from '../batch-tables.ts'
import type { CoreProcess } from '../core-process.ts'
import type { EdgeSourceStatus, EdgeStatus } from '../edge-status.ts'
import { fittedTable, terminalSize, wrapped } from '../fitted-table.ts'
import { print, printJson } from '../output.ts'
import { controlPath, type Role } from '../state-paths.ts'
import { stateOf, type WhereOptions } from '../where.ts'

type CoreStatus = Awaited<ReturnType<CoreProcess['status']>>

export function statusCommand(): Command {
  return new Command('status')
    .description('Shows what runs here: sources, buffer, link, partitions, jobs, alarms.')
    .option('--config <file>', 'edge.yaml or core.yaml')
    .option('--state <directory>', 'the state directory; ./.headrace unless set')
    .option('--json', 'for programs')
    .option('--metrics', 'for Prometheus, as text: for the textfile collector of a node exporter')
    .addHelpText('after', '\nExamples:\n  headrace status\n  headrace status --config /etc/headrace/edge.yaml --json')
    .action(async (options: WhereOptions & { json?: true; metrics?: true }) => {
      const state = stateOf(options)
      if (options.metrics) {
        const { joinMetrics } = await import('../../console/metrics.ts')
        const texts = await Promise.all((['edge', 'core'] as const).map(role => ask<string>(state, role, 'metrics')))
        process.stdout.write(joinMetrics(texts.filter(text => text !== undefined)))
        return
      }
      const edge = await ask<EdgeStatus>(state, 'edge')
      const core = await ask<CoreStatus>(state, 'core')
      if (options.json) printJson(jsonOf(edge, core))
      else printHuman(state, edge, core, terminalSize().columns)
    })
}

/** One role's status alone where one runs, both under their names where both do. */
function jsonOf(edge: EdgeStatus | undefined, core: CoreStatus | undefined): unknown {
  if (edge && core) return { edge, core }
  return edge ?? core ?? { running: false }
}

/** What the process of a role answers; undefined where none runs. */
export async function ask<Answer>(state: string, role: Role, call = 'status', args: object = {}): Promise<Answer | undefined> {
  const path = controlPath(state, role)
  if (!existsSync(path)) return undefined
  try {
    return await control<Answer>(path, call, args)
  } catch (error) {
    // Its socket outlived it.
    if (error instanceof HeadraceError && error.code === 'not_running') return undefined
    throw error
  }
}

function printHuman(
  state: string,
  edge: EdgeStatus | undefined,
  core: CoreStatus | undefined,
  columns: number | undefined,
): void {
  if (!edge && !core) print(`Nothing is running with its state in ${state}.`)
  if (edge) print(edgeText(edge, columns))
  if (edge && core) print('')
  if (core) print(coreText(core, columns))
}

/** Fits so many columns; whole where there are none. */
export function edgeText(edge: EdgeStatus, columns: number | undefined): string {
  const { link, disk } = edge
  const head = [
    `gateway ${edge.gateway}: link ${link.state}${link.peer ? ` with ${link.peer}` : ''} since ${link.since}`,
    `buffer: ${mib(disk.used_bytes)} of ${mib(disk.quota_bytes)} MiB used, ${mib(disk.written_bytes)} MiB written since the start`,
    `flash: ${perDay(disk)}`,
    ...(link.quota ? [quotaText(link.quota)] : []),
  ]
  const rows = edge.sources.map(source => [
    source.source,
    source.state,
    source.read,
    source.dropped,
    source.decode_errors,
    source.buffered.records,
    source.settled,
    source.partition === null ? '-' : `${source.topic}[${source.partition}]`,
    source.reason ?? '',
  ])
  const sources = fittedTable(
    ['source', 'state', 'read', 'dropped', 'undecoded', 'buffered', 'settled', 'partition', ''],
    rows,
    { names: ['source', 'partition'], spare: ['undecoded', 'dropped', 'partition', 'settled'], remarks: '' },
    columns,
  )
  return [
    wrapped(head.join('\n'), columns),
    sources,
    ...countTables(edge.sources, columns),
    ...analysersTable(edge.analysers, columns),
    ...alarmTexts(edge.alarms, columns),
  ].join('\n\n')
}

/** What steps did and what went wrong, as tables, where there is any of it. */
export function countTables(
  sources: readonly Pick<EdgeSourceStatus, 'source' | 'steps' | 'trouble'>[],
  columns?: number | undefined,
): string[] {
  const steps = sources.flatMap(({ source, steps }) =>
    steps.map(({ step, taken, withheld, unread }, index) => [source, `${index + 1} ${step}`, taken, withheld, unread]),
  )
  const troubles = sources.flatMap(({ source, trouble }) => Object.entries(trouble).map(([what, count]) => [source, count, what]))
  const names = ['source', 'step']
  const stepsHead = ['source', 'step', 'taken', 'left out', 'could not judge']
  return [
    ...(steps.length > 0 ? [fittedTable(stepsHead, steps, { names }, columns)] : []),
    ...(troubles.length > 0
      ? [fittedTable(['source', 'times', 'trouble'], troubles, { names, remarks: 'trouble' }, columns)]
      : []),
  ]
}

/** How analysers do, where there are any; on a gateway there is no log, of which they could be behind. */
export function analysersTable(
  analyses: readonly (AnalyserStatus | GatewayAnalyserStatus)[],
  columns?: number | undefined,
): string[] {
  if (analyses.length === 0) return []
  const reads = analyses.some(each => 'lag' in each) ? ['lag', 'late', 'cut'] : []
  const rows = analyses.map(each => [
    ...[each.analyser, each.state, each.sources],
    ...('lag' in each ? [each.lag, each.late, each.cut] : []),
    ...[each.undelivered, each.last_alert ?? '-'],
  ])
  const spare = ['cut', 'late', 'undelivered', 'last alert']
  const head = ['analyser', 'state', 'sources', ...reads, 'undelivered', 'last alert']
  return [fittedTable(head, rows, { names: ['analyser'], spare: spare.filter(name => head.includes(name)) }, columns)]
}

/** Fits so many columns; whole where there are none. */
export function coreText(core: CoreStatus, columns: number | undefined): string {
  const title = `core on ${core.log.engine} log ${core.log.identity}, ${core.gateways.length} gateway(s) connected`
  const sources = core.sources.map(source => [
    source.source,
    `${source.topic}[${source.partition}]`,
    source.first ?? '?',
    source.next ?? '?',
    source.retired === null ? '' : `retired on ${source.retired}`,
  ])
  const jobs = core.jobs.map(job => [
    job.job,
    job.last_run?.state ?? 'never run',
    job.last_run?.ended ?? '',
    lagText(job),
    job.next_run ?? 'by hand',
  ])
  const names = ['source', 'partition', 'gateway', 'batch job']
  return [
    wrapped(title, columns),
    ...(core.reports.length > 0 ? [gatewaysTable(core, names, columns)] : []),
    fittedTable(
      ['source', 'partition', 'first', 'next', ''],
      sources,
      { names, spare: ['first', 'partition'], remarks: '' },
      columns,
    ),
    ...(jobs.length > 0
      ? [
          fittedTable(
            ['batch job', 'last run', 'ended', 'lag', 'next run'],
            jobs,
            { names, spare: ['ended', 'next run'] },
            columns,
          ),
        ]
      : []),
    ...analysersTable(core.analysers, columns),
    ...alarmTexts(core.alarms, columns),
  ].join('\n\n')
}

/** What gateways last said of themselves, also those that are away now. */
function gatewaysTable({ reports, gateways }: CoreStatus, names: readonly string[], columns: number | undefined): string {
  const rows = reports.map(({ gateway, heard, buffered, disk, alarms }) => [
    gateway,
    gateways.some(each => each.gateway === gateway) ? 'connected' : 'away',
    buffered.records,
    buffered.oldest ?? '-',
    mib(disk.written_bytes),
    alarms.length,
    heard,
  ])
  const head = ['gateway', 'link', 'waiting', 'oldest', 'MiB written', 'alarms', 'heard']
  return fittedTable(head, rows, { names, spare: ['MiB written', 'oldest', 'heard'] }, columns)
}

function alarmTexts(alarms: readonly unknown[], columns: number | undefined): string[] {
  return (alarms as readonly { since: string; message: string; advice: string }[]).map(({ since, message, advice }) =>
    wrapped(`! ${message} (since ${since})\n  ${advice}`, columns),
  )
}

/** What the core grants a gateway at the most: nothing is wrong where more than that waits. */
export function quotaText({
  bytes_per_second: bytes,
  records_per_second: records,
}: NonNullable<EdgeStatus['link']['quota']>): string {
  const most = [records === null ? [] : `${records} records`, bytes === null ? [] : sizeText(bytes)].flat().join(' and ')
  return `quota: the core takes no more than ${most} a second of this gateway; the rest waits in the buffer`
}

/** What is written in a day, against what may be. */
function perDay({ written_per_day_bytes: now, flash_budget_bytes: budget }: EdgeStatus['disk']): string {
  const rate = now === null ? 'it runs for too short a time to tell what it writes in a day' : `${gb(now)} GB a day now`
  return budget === null ? rate : `${rate}, ${gb(budget)} GB declared`
}

function gb(bytes: number): string {
  return (bytes / 1e9).toFixed(2)
}

function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1)
}
