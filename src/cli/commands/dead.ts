import { isUtf8 } from 'node:buffer'
import { Command } from 'commander'
import { control } from '../../console/control-client.ts'
import type { DeadLetter } from '../dead-letters.ts'
import type { Retried } from '../dead-retry.ts'
import { print, printJson, table } from '../output.ts'
import { controlOf, type WhereOptions } from '../where.ts'

const VALUE_CHARACTERS_MAX = 80

interface Options extends WhereOptions {
  json?: true
}

interface Shown extends DeadLetter {
  /** Why its records cannot be read, if they cannot. */
  readonly unreadable: string | null
  readonly records: readonly { readonly seq: number; readonly time_ms: number; readonly value_base64: string | null }[]
}

export function deadCommand(): Command {
  const command = new Command('dead').description('Looks after batches that the log refused for good.')
  const add = (sub: Command) =>
    command.addCommand(
      sub
        .option('--config <file>', 'core.yaml')
        .option('--state <directory>', 'the state directory; ./.headrace unless set')
        .option('--json', 'for programs'),
    )
  const letter = ['<letter>', '<gateway>/<source>@<sequence>, as list shows it'] as const
  add(new Command('list').description('Lists them.').action(list))
  add(
    new Command('show')
      .description('Shows one, with its first records.')
      .argument(...letter)
      .action(show),
  )
  add(
    new Command('retry')
      .description('Appends its records to <gateway>/<source>-retried; what lies there is not appended again.')
      .argument(...letter)
      .action(retry),
  )
  return command
}

async function list(options: Options): Promise<void> {
  const letters = await control<DeadLetter[]>(controlOf(options, 'core'), 'dead.list')
  if (options.json) printJson(letters)
  else
    print(
      table(
        ['letter', 'laid down', 'records', 'bytes', 'partition', 'reason'],
        letters.map(each => [each.letter, each.at, each.count, each.bytes, `${each.topic}[${each.partition}]`, each.reason]),
      ),
    )
}

async function show(letter: string, options: Options): Promise<void> {
  const shown = await control<Shown>(controlOf(options, 'core'), 'dead.show', { letter })
  if (options.json) {
    printJson(shown)
    return
  }
  const { at, topic, partition, sequence, count, bytes, reason, unreadable, records } = shown
  print(`${shown.source}: numbers ${sequence}…${sequence + count - 1} of ${topic}[${partition}], ${bytes} bytes`)
  print(`refused ${at}: ${reason}`)
  if (unreadable !== null) print(`Its records cannot be read: ${unreadable}`)
  else {
    const rows = records.map(record => [record.seq, new Date(record.time_ms).toISOString(), textOf(record.value_base64)])
    print(table(['seq', 'time', 'value'], rows))
    if (records.length < count) print(`… and ${count - records.length} more`)
  }
}

function textOf(base64: string | null): string {
  if (base64 === null) return ''
  const value = Buffer.from(base64, 'base64')
  // Line breaks and the like as JSON has them; quotes as they are.
  const text = isUtf8(value) ? JSON.stringify(value.toString('utf8')).slice(1, -1).replaceAll('\\"', '"') : base64
  return text.length > VALUE_CHARACTERS_MAX ? `${text.slice(0, VALUE_CHARACTERS_MAX)}…` : text
}

async function retry(letter: string, options: Options): Promise<void> {
  const retried = await control<Retried>(controlOf(options, 'core'), 'dead.retry', { letter })
  if (options.json) printJson(retried)
  else {
    const { appended, already, source, topic, partition } = retried
    const before = already > 0 ? `; ${already} lay there already` : ''
    print(`${appended} records appended to ${source}, ${topic}[${partition}]${before}.`)
  }
}
