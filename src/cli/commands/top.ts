import { Command } from 'commander'
import { pause, systemClock } from '../../runtime/clock.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import { wholeNumber } from '../arguments.ts'
import type { CoreProcess } from '../core-process.ts'
import type { EdgeStatus } from '../edge-status.ts'
import { print, table } from '../output.ts'
import { stateOf, type WhereOptions } from '../where.ts'
import { ask } from './status.ts'

type CoreStatus = Awaited<ReturnType<CoreProcess['status']>>

const EVERY_MS = 1_000
/** ECMA-48: cursor home, erase the display. */
const CLEAR = '\u001b[H\u001b[2J'
const ROWS_BESIDE = 8
const ROWS_UNKNOWN = 40

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
        if (process.stdout.isTTY) process.stdout.write(CLEAR)
        print(screen(edge, core, rates))
      }
    })
}

/** What counters rose by since the last look, a second. */
class Rates {
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

function screen(edge: EdgeStatus | undefined, core: CoreStatus | undefined, rates: Rates): string {
  const parts: string[] = []
  const rows = Math.max(1, (process.stdout.rows ?? ROWS_UNKNOWN) - ROWS_BESIDE)
  const busiestFirst = <Row extends readonly (string | number)[]>(all: Row[]) =>
    all.toSorted((a, b) => Number(b[1]) - Number(a[1])).slice(0, rows)
  if (edge) {
    const found = edge.sources.map(each => [
      each.source,
      rates.of(`read ${each.source}`, each.read),
      rates.of(`settled ${each.source}`, each.settled),
      each.buffered.records,
      each.dropped,
      each.state,
    ])
    parts.push(`gateway ${edge.gateway}: link ${edge.link.state}, ${edge.alarms.length} alarms`)
    parts.push(table(['source', 'read/s', 'settled/s', 'waiting', 'dropped', ''], busiestFirst(found)))
  }
  if (core) {
    const found = core.sources.map(each => [
      each.source,
      rates.of(`next ${each.source}`, each.next ?? 0),
      each.next ?? '?',
      `${each.topic}[${each.partition}]`,
    ])
    parts.push(`core: ${core.gateways.length} gateways, ${core.alarms.length} alarms`)
    parts.push(table(['source', 'stored/s', 'next', 'partition'], busiestFirst(found)))
    if (core.jobs.length > 0)
      parts.push(
        table(
          ['batch job', 'lag'],
          core.jobs.map(({ job, lag }) => [job, lag ?? '?']),
        ),
      )
  }
  return parts.length > 0 ? parts.join('\n') : 'Nothing is running.'
}
