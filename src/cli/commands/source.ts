import { Command } from 'commander'
import { control } from '../../console/control-client.ts'
import { parseSourceKey } from '../../runtime/names.ts'
import type { CoreProcess } from '../core-process.ts'
import type { EdgeSourceStatus } from '../edge-status.ts'
import { fieldsText } from '../fields-text.ts'
import { fittedTable, terminalSize } from '../fitted-table.ts'
import { EXIT, print, printJson } from '../output.ts'
import { controlOf, stateOf, type WhereOptions } from '../where.ts'
import { ask } from './status.ts'

/** Who answers, whichever of them is there. */
const EITHER = 'edge or core'

/** Fields of one source in a table for people; `--json` has all. */
const FIELDS_SHOWN = 6
const YIELDING = { names: ['source', 'pipeline', 'partition', 'fields'], spare: ['pipeline', 'partition'], remarks: '' }

export function sourceCommand(): Command {
  const command = new Command('source').description('Looks after the sources of a gateway.')
  const where = (sub: Command) =>
    sub
      .option('--config <file>', 'edge.yaml or core.yaml')
      .option('--state <directory>', 'the state directory; ./.headrace unless set')
      .option('--json', 'for programs')
  command.addCommand(
    where(
      new Command('list').description(
        'Lists them: those of the gateway that runs here, and those that the log of the core here has. --json has those of the gateway where both run.',
      ),
    ).action(async (options: WhereOptions & { json?: true }) => {
      const edge = await ask<EdgeSourceStatus[]>(stateOf(options), 'edge', 'source.list')
      const core = edge
        ? await ask<CoreSource[]>(stateOf(options), 'core', 'source.list')
        : await control<CoreSource[]>(controlOf(options, 'core', EITHER), 'source.list')
      if (options.json) printJson(edge ?? core)
      else print([...(edge ? [edgeTable(edge)] : []), ...(core ? [coreTable(core)] : [])].join('\n\n'))
    }),
  )
  command.addCommand(
    where(
      new Command('retire')
        .description(
          'Ends a source for good: it is read no more, what is buffered still goes to the core, and its partition stays its own.',
        )
        .argument('<source>', '<gateway>/<source>, or on its gateway its name alone')
        .addHelpText(
          'after',
          '\nOn a core it marks the source of a gateway that is gone. `source resume` on the gateway takes it back.',
        ),
    ).action(async (source: string, options: WhereOptions & { json?: true }) => {
      const name = parseSourceKey(source)?.source ?? source
      const edge = await ask<Retired>(stateOf(options), 'edge', 'source.retire', { source: name })
      const retired = edge ?? (await control<Retired>(controlOf(options, 'core', EITHER), 'source.retire', { source }))
      if (options.json) printJson(retired)
      else print(saidOf(source, retired))
    }),
  )
  command.addCommand(
    where(
      new Command('resume')
        .description('Ends the freeze of a source, or its retirement: it goes on at the end of the log, under a new epoch.')
        .argument('<source>', '<gateway>/<source>, or its name alone'),
    ).action(async (source: string, options: WhereOptions & { json?: true }) => {
      const name = parseSourceKey(source)?.source ?? source
      const resumed = await control<{ outcome: string; message?: string; advice?: string }>(
        controlOf(options, 'edge'),
        'source.resume',
        { source: name },
      )
      if (options.json) printJson(resumed)
      else
        print(
          resumed.outcome === 'resumed' ? `${source} goes on.` : `${resumed.message ?? resumed.outcome} ${resumed.advice ?? ''}`,
        )
      if (resumed.outcome !== 'resumed') process.exitCode = EXIT.failed
    }),
  )
  return command
}

type CoreSource = Awaited<ReturnType<CoreProcess['status']>>['sources'][number]

/** What became of `source retire`, on a gateway or on a core. */
interface Retired {
  /** Records that still have to go to the core. */
  readonly buffered?: number
  /** A pipeline that names it all the same. */
  readonly pipeline?: string | null
  readonly topic?: string
  readonly partition?: number
}

function saidOf(source: string, { buffered, pipeline, topic, partition }: Retired): string {
  if (buffered === undefined) return `${source} is retired; its records stay in ${topic}[${partition}].`
  const rest = buffered === 0 ? 'Nothing of it is left here.' : `${buffered} records of it still go to the core.`
  const named = pipeline ? ` Take it out of pipeline ${pipeline}, which names it still.` : ''
  return `${source} is read no more. ${rest}${named}`
}

function edgeTable(sources: readonly EdgeSourceStatus[]): string {
  const rows = sources.map(each => [
    each.source,
    each.pipeline ?? '-',
    each.state,
    `${each.topic}[${each.partition ?? '-'}]`,
    fieldsText(each.fields, FIELDS_SHOWN),
    each.reason ?? '',
  ])
  return fittedTable(['source', 'pipeline', 'state', 'partition', 'fields', ''], rows, YIELDING, terminalSize().columns)
}

function coreTable(sources: readonly CoreSource[]): string {
  const rows = sources.map(each => [
    each.source,
    `${each.topic}[${each.partition}]`,
    each.next ?? '?',
    fieldsText(each.fields, FIELDS_SHOWN),
    each.retired === null ? '' : `retired on ${each.retired}`,
  ])
  return fittedTable(['source', 'partition', 'next', 'fields', ''], rows, YIELDING, terminalSize().columns)
}
