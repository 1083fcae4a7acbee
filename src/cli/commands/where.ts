import { Command } from 'commander'
import { HeadraceError } from '../../runtime/errors.ts'
import { matchesSource, sourceKey } from '../../runtime/names.ts'
import { boundArgument } from '../arguments.ts'
import type { EdgeSourceStatus, EdgeStatus } from '../edge-status.ts'
import { terminalSize, wrapped } from '../fitted-table.ts'
import { print, printJson } from '../output.ts'
import { stateOf, type WhereOptions } from '../where.ts'
import type { InLog } from '../where-in-log.ts'
import { ask } from './status.ts'

/** A reading, by its number or by its time. */
type Reading = { readonly seq: number } | { readonly time_ms: number }

interface OnGateway {
  readonly source: string
  /** `settled`: the log has it; `cut`: it has its number and is on its way, or waits to be sent; `ahead`: no record has this number yet. */
  readonly place: 'settled' | 'cut' | 'ahead'
  readonly next: number
  readonly settled: number
  readonly buffered: EdgeSourceStatus['buffered']
}

export function whereCommand(): Command {
  return new Command('where')
    .description(
      'Says where a reading is now: on the gateway, on its way, in which partition at which offset, and which batch run took it.',
    )
    .argument('<source>', 'a source, or a glob; <gateway>/<source> where several gateways have it')
    .argument(
      '<seq|time>',
      'its number, or a time such as 2026-01-31T08:00:00Z: then the first reading that is not older',
      reading,
    )
    .option('--config <file>', 'edge.yaml or core.yaml')
    .option('--state <directory>', 'the state directory; ./.headrace unless set')
    .option('--json', 'for programs')
    .addHelpText(
      'after',
      '\nExamples:\n  headrace where compressor-1 48211\n  headrace where plant-a/compressor-1 2026-01-31T08:00:00Z --json',
    )
    .action(async (source: string, wanted: Reading, options: WhereOptions & { json?: true }) => {
      const state = stateOf(options)
      const inLog = await ask<InLog[]>(state, 'core', 'where', { source, ...wanted })
      const edge = await ask<EdgeStatus>(state, 'edge')
      if (!inLog && !edge) {
        throw new HeadraceError('not_running', `nothing is running with its state in ${state}`, {
          advice: 'Name a configuration with --config, or a directory with --state.',
        })
      }
      if (!inLog && 'time_ms' in wanted)
        throw new HeadraceError('not_running', `no core is running with its state in ${state}: a gateway alone knows no times`, {
          advice: 'Ask on the core, or give the number of the reading.',
        })
      const seqOf = (key: string) => ('seq' in wanted ? wanted.seq : inLog?.find(each => each.source === key)?.seq)
      const onGateway = edge ? gatewayPlaces(edge, source, seqOf) : []
      if (edge && !inLog && onGateway.length === 0)
        throw new HeadraceError('not_found', `this gateway has no source "${source}"`, { advice: 'See "headrace status".' })
      if (options.json) printJson({ gateway: onGateway, log: inLog ?? [] })
      else printPlaces(onGateway, inLog ?? [])
    })
}

function gatewayPlaces(edge: EdgeStatus, glob: string, seqOf: (key: string) => number | null | undefined): OnGateway[] {
  return edge.sources
    .filter(each => matchesSource(glob, { gateway: edge.gateway, source: each.source }))
    .map(({ source: own, next, settled, buffered }) => {
      const key = sourceKey({ gateway: edge.gateway, source: own })
      const seq = seqOf(key) ?? next
      const place = seq >= next ? 'ahead' : seq < settled ? 'settled' : 'cut'
      return { source: key, place, next, settled, buffered }
    })
}

function printPlaces(onGateway: readonly OnGateway[], inLog: readonly InLog[]): void {
  const { columns } = terminalSize()
  const say = (text: string) => print(wrapped(text, columns))
  for (const { source, place, next, settled, buffered } of onGateway) {
    const said = {
      settled: `the log has it; it has all below ${settled}`,
      cut: `on this gateway, numbered and on its way: the log has all below ${settled}`,
      ahead: `no record has that number yet: ${next} is the next, and ${buffered.records} records wait here${buffered.oldest ? `, the oldest since ${buffered.oldest}` : ''}`,
    }[place]
    say(`${source}: ${said}`)
  }
  for (const { source, topic, partition, seq, place, first, next, jobs } of inLog) {
    const at = `${topic}[${partition}]`
    const said = {
      'in the log': `in ${at} at offset ${seq}`,
      ahead: `not in ${at} yet, which ends at ${next}`,
      trimmed: `no longer in ${at}, which begins at ${first}`,
    }[place]
    say(`${source}: ${said}`)
    for (const { job, run, state } of jobs) say(`  ${job}: ${run === null ? state : `run ${run}, ${state}`}`)
  }
}

function reading(text: string): Reading {
  const bound = boundArgument(text)
  return 'sequence' in bound ? { seq: bound.sequence } : { time_ms: bound.timeMs }
}
