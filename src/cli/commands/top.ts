import { Command } from 'commander'
import { pause, systemClock } from '../../runtime/clock.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import { wholeNumber } from '../arguments.ts'
import { lagText } from '../batch-tables.ts'
import type { CoreProcess } from '../core-process.ts'
import type { EdgeStatus } from '../edge-status.ts'
import { fittedTable, middleCut, sharesOf, type TerminalSize, terminalSize } from '../fitted-table.ts'
import { print } from '../output.ts'
import { stateOf, type WhereOptions } from '../where.ts'
import { ask } from './status.ts'

type CoreStatus = Awaited<ReturnType<CoreProcess['status']>>

const EVERY_MS = 1_000
/** ECMA-48: cursor home, erase the display. */
const CLEAR = '\u001b[H\u001b[2J'
/** Behind the last line is the cursor's. */
const ROWS_BESIDE = 1

export function topCommand(): Command {
  return new Command('top')
    .description('Shows what flows, second by second, busiest sources first. Ends with Ctrl-C.')
    .option('--config <file>', 'edge.yaml or core.yaml')
    .option('--state <directory>', 'the state directory; ./.headrace unless set')
    .option('-n, --times <looks>', 'ends after so many looks', wholeNumber)
    .addHelpText('after', '\nExample:\n  headrace top --config /etc/headrace/edge.yaml')
    .action(async (options: WhereOptions & { times?: number }) => {
      const state = stateOf(options)
      const ended = new AbortController()
      process.once('SIGINT', () => ended.abort())
      process.once('SIGTERM', () => ended.abort())
      // A reader such as `head` that has seen enough.
      process.stdout.once('error', () => ended.abort())
      const rates = new Rates()
      for (let look = 0; look < (options.times ?? Number.POSITIVE_INFINITY) && !ended.signal.aborted; look++) {
        if (look > 0) await pause(systemClock, EVERY_MS, ended.signal).catch(() => {})
        if (ended.signal.aborted) return
        const edge = await ask<EdgeStatus>(state, 'edge')
        const core = await ask<CoreStatus>(state, 'core')
        if (!edge && !core && look === 0) {
          throw new HeadraceError('not_running', `nothing is running with its state in ${state}`, {
            advice: 'Name a configuration with --config, or a directory with --state.',
          })
        }
        rates.begin()
        const terminal = terminalSize()
        if (terminal.rows !== undefined && process.env['TERM'] !== 'dumb') process.stdout.write(CLEAR)
        print(screen(edge, core, rates, terminal))
      }
    })
}

/** What counters rose by since the last look, a second. */
export class Rates {
  readonly #before = new Map<string, number>()
  #atMs = performance.now()
  #passedMs = Number.POSITIVE_INFINITY

  begin(): void {
    const nowMs = performance.now()
    this.#passedMs = nowMs - this.#atMs
    this.#atMs = nowMs
  }

  of(name: string, value: number): number {
    const before = this.#before.get(name)
    this.#before.set(name, value)
    return before === undefined ? 0 : Math.max(0, Math.round(((value - before) * 1_000) / this.#passedMs))
  }
}

const GATEWAY = 'gateway '
const YIELDING = { names: ['source', 'partition', 'batch job'], spare: ['dropped', 'partition'] }

interface Part {
  readonly title?: string
  readonly head: readonly string[]
  readonly rows: readonly (readonly (string | number)[])[]
}

/** What is shown of both: as much of each as there is room for, since what is above a terminal's first line nobody sees. */
export function screen(edge: EdgeStatus | undefined, core: CoreStatus | undefined, rates: Rates, terminal: TerminalSize): string {
  const parts: Part[] = []
  if (edge) {
    const rows = edge.sources.map(each => [
      each.source,
      rates.of(`read ${each.source}`, each.read),
      rates.of(`settled ${each.source}`, each.settled),
      each.buffered.records,
      each.dropped,
      each.state,
    ])
    const state = `: link ${edge.link.state}, ${edge.alarms.length} alarms`
    const room = (terminal.columns ?? Number.POSITIVE_INFINITY) - GATEWAY.length - state.length
    const title = `${GATEWAY}${middleCut(edge.gateway, Math.max(1, room))}${state}`
    parts.push({ title, head: ['source', 'read/s', 'settled/s', 'waiting', 'dropped', ''], rows: busiestFirst(rows) })
  }
  if (core) {
    const rows = core.sources.map(each => [
      each.source,
      rates.of(`next ${each.source}`, each.next ?? 0),
      each.next ?? '?',
      `${each.topic}[${each.partition}]`,
    ])
    const title = `core: ${core.gateways.length} gateways, ${core.alarms.length} alarms`
    parts.push({ title, head: ['source', 'stored/s', 'next', 'partition'], rows: busiestFirst(rows) })
    if (core.jobs.length > 0) parts.push({ head: ['batch job', 'lag'], rows: core.jobs.map(job => [job.job, lagText(job)]) })
  }
  if (parts.length === 0) return 'Nothing is running.'
  const beside = parts.reduce((sum, { title }) => sum + (title === undefined ? 1 : 2), ROWS_BESIDE)
  const shares = sharesOf(
    (terminal.rows ?? Number.POSITIVE_INFINITY) - beside,
    parts.map(({ rows }) => rows.length),
  )
  const { columns } = terminal
  const texts = parts.flatMap(({ title, head, rows }, index) => [
    ...(title === undefined ? [] : [title]),
    fittedTable(head, rows.slice(0, shares[index]), YIELDING, columns),
  ])
  const lines = texts.join('\n').split('\n')
  return lines.map(line => line.slice(0, columns)).join('\n')
}

function busiestFirst<Row extends readonly (string | number)[]>(rows: readonly Row[]): Row[] {
  return rows.toSorted((a, b) => Number(b[1]) - Number(a[1]))
}
