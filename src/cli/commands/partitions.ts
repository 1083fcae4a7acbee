import { Command } from 'commander'
import { control } from '../../console/control-client.ts'
import { durationText, sizeText } from '../../runtime/units.ts'
import { fittedTable, terminalSize } from '../fitted-table.ts'
import { print, printJson } from '../output.ts'
import type { PartitionRow } from '../partition-calls.ts'
import { controlOf, type WhereOptions } from '../where.ts'

export function partitionsCommand(): Command {
  return new Command('partitions')
    .description(
      'Shows what lies in each partition of the log, for how long it is kept, and which batch job has read least of it.',
    )
    .option('--config <file>', 'core.yaml')
    .option('--state <directory>', 'the state directory; ./.headrace unless set')
    .option('--json', 'for programs')
    .action(async (options: WhereOptions & { json?: true }) => {
      const rows = await control<PartitionRow[]>(controlOf(options, 'core'), 'partitions')
      if (options.json) return printJson(rows)
      print(
        fittedTable(
          ['partition', 'source', 'first', 'next', 'kept', 'slowest job', 'has read'],
          rows.map(row => [
            `${row.topic}[${row.partition}]`,
            row.source,
            row.first ?? '?',
            row.next ?? '?',
            keptText(row),
            row.slowest?.job ?? '-',
            row.slowest?.offset ?? '-',
          ]),
          { names: ['partition', 'source', 'slowest job'], spare: ['first', 'kept'] },
          terminalSize().columns,
        ),
      )
    })
}

function keptText({ retention }: PartitionRow): string {
  if (!retention) return 'for ever'
  const limits = [
    ...(retention.age_ms === null ? [] : [durationText(retention.age_ms)]),
    ...(retention.size_bytes === null ? [] : [sizeText(retention.size_bytes)]),
  ]
  return `${limits.join(' or ')}${retention.unread === 'keep' ? ', what jobs have not read longer' : ''}`
}
