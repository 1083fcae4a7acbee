import { Command } from 'commander'
import { control } from '../../console/control-client.ts'
import { parseSourceKey } from '../../runtime/names.ts'
import type { EdgeSourceStatus } from '../edge-process.ts'
import { EXIT, print, printJson, table } from '../output.ts'
import { controlOf, type WhereOptions } from '../where.ts'

export function sourceCommand(): Command {
  const command = new Command('source').description('Looks after the sources of a gateway.')
  const where = (sub: Command) =>
    sub
      .option('--config <file>', 'edge.yaml')
      .option('--state <directory>', 'the state directory; ./.headrace unless set')
      .option('--json', 'for programs')
      .exitOverride()
  command.addCommand(
    where(new Command('list').description('Lists them.')).action(async (options: WhereOptions & { json?: true }) => {
      const sources = await control<EdgeSourceStatus[]>(controlOf(options, 'edge'), 'source.list')
      if (options.json) printJson(sources)
      else
        print(
          table(
            ['source', 'pipeline', 'state', 'partition', ''],
            sources.map(each => [
              each.source,
              each.pipeline ?? '-',
              each.state,
              `${each.topic}[${each.partition ?? '-'}]`,
              each.reason ?? '',
            ]),
          ),
        )
    }),
  )
  command.addCommand(
    where(
      new Command('resume')
        .description('Ends the freeze of a source: it goes on at the end of the log, under a new epoch.')
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
