import { Command } from 'commander'
import { control, controlStream } from '../../console/control-client.ts'
import type { Fields } from '../../record/fields.ts'
import { wholeNumber } from '../arguments.ts'
import { fieldsText } from '../fields-text.ts'
import { print, remark } from '../output.ts'
import { jsonLine, type TailItem } from '../tail-line.ts'
import { controlOf, type WhereOptions } from '../where.ts'

/** Fields of one source whose units are said. */
const UNITS_SHOWN = 12

export function tailCommand(): Command {
  return new Command('tail')
    .description('Shows records as they arrive in the log.')
    .argument('<source>', 'a source, or a glob; <gateway>/<source> where several gateways have it')
    .option('-n, --last <records>', 'begin with so many that are there already', wholeNumber, 10)
    .option('--config <file>', 'core.yaml')
    .option('--state <directory>', 'the state directory; ./.headrace unless set')
    .option('--json', 'NDJSON, for programs')
    .addHelpText('after', '\nExample:\n  headrace tail "compressor-*" -n 100 --json | jq .value')
    .action(async (source: string, options: WhereOptions & { last: number; json?: true }) => {
      const ended = new AbortController()
      process.once('SIGINT', () => ended.abort())
      process.once('SIGTERM', () => ended.abort())
      // A reader such as `head` that has seen enough.
      process.stdout.once('error', () => ended.abort())
      const path = controlOf(options, 'core')
      const units = options.json ? new Map<string, Fields>() : await fieldsWithUnits(path)
      for await (const item of controlStream<TailItem>(path, 'tail', { source, last: options.last }, ended.signal)) {
        if (ended.signal.aborted) return
        sayUnits(`${item.gateway}/${item.source}`, units)
        print(options.json ? jsonLine(item) : humanLine(item))
      }
    })
}

/** Of the sources in the log, the fields whose unit is known. */
async function fieldsWithUnits(path: string): Promise<Map<string, Fields>> {
  const sources = await control<{ source: string; fields?: Fields }[]>(path, 'source.list')
  const known = sources.map(({ source, fields = {} }) => {
    const withUnit = Object.entries(fields).filter(([, { unit }]) => unit !== undefined)
    return [source, Object.fromEntries(withUnit)] as const
  })
  return new Map(known.filter(([, fields]) => Object.keys(fields).length > 0))
}

/** Once for each source, before its first record, and not among the records. */
function sayUnits(source: string, units: Map<string, Fields>): void {
  const fields = units.get(source)
  if (!fields) return
  units.delete(source)
  remark(`${source}: ${fieldsText(fields, UNITS_SHOWN)}`)
}

function humanLine({ gateway, source, seq, time_ms, value_base64, headers }: TailItem): string {
  const text =
    value_base64 === null ? `(placeholder) ${headers['gap'] ?? ''}` : Buffer.from(value_base64, 'base64').toString('utf8')
  // What a device sends is not for the terminal to obey.
  const plain = [...text].map(letter => (letter < ' ' || letter === '\u007f' ? '·' : letter)).join('')
  return `${new Date(time_ms).toISOString()} ${gateway}/${source} #${seq} ${plain}`
}
