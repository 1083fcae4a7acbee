import { userInfo } from 'node:os'
import { Command, InvalidArgumentError } from 'commander'
import { HeadraceError } from '../../runtime/errors.ts'
import { parseDurationMs } from '../../runtime/units.ts'
import type { AlertJson, SilenceJson } from '../alert-calls.ts'
import { wholeNumber } from '../arguments.ts'
import { print, printJson, remark, table } from '../output.ts'
import type { Role } from '../state-paths.ts'
import { stateOf, type WhereOptions } from '../where.ts'
import { ask } from './status.ts'

/** Of a core and a gateway in one, the core's alerts come first, and silences are the core's. */
const ROLES: readonly Role[] = ['core', 'edge']

interface Options extends WhereOptions {
  json?: true
}

export function alertsCommand(): Command {
  const command = new Command('alerts').description(
    'Shows what analysers said, and who takes care of it; silences them for a while.',
  )
  const add = (sub: Command) =>
    command.addCommand(
      sub
        .option('--config <file>', 'core.yaml, or edge.yaml for analysers that run on that gateway')
        .option('--state <directory>', 'the state directory; ./.headrace unless set')
        .option('--json', 'for programs'),
    )
  add(
    new Command('list')
      .description('Lists the latest alerts, newest first.')
      .option('--standing', 'only those that are not over')
      .action(list),
  )
  add(
    new Command('acknowledge')
      .description('Says that somebody takes care of an alert.')
      .argument('<key>', 'as `alerts list` shows it')
      .option('--note <text>', 'what is being done')
      .action(acknowledge),
  )
  add(
    new Command('silence')
      .description(
        'Sends alerts to no webhook, command or AMQP address for a while. What still stands when it ends is told then; topics are written all the while.',
      )
      .requiredOption('--for <duration>', 'such as 2h, at most 90d', durationArgument)
      .option('--analyser <glob>', 'of these analysers only; with a dot: <pipeline>.<analyser>', '*')
      .option('--source <glob>', 'about these sources only; with a slash: <gateway>/<source>', '*')
      .option('--reason <text>', 'why, for whoever wonders')
      .addHelpText('after', '\nExample:\n  headrace alerts silence --for 2h --source "press-*" --reason "bearing is changed"')
      .action(silence),
  )
  add(new Command('silences').description('Lists what is silenced, and until when.').action(silences))
  add(
    new Command('unsilence')
      .description('Ends a silence.')
      .argument('<id>', 'as `alerts silences` shows it', wholeNumber)
      .action(unsilence),
  )
  return command
}

async function list(options: Options & { standing?: true }): Promise<void> {
  const said = await Promise.all(ROLES.map(role => ask<AlertJson[]>(stateOf(options), role, 'alerts')))
  if (said.every(each => each === undefined)) throw nothingRuns(options)
  const all = said.flatMap(each => each ?? []).sort((a, b) => Date.parse(b.time) - Date.parse(a.time))
  const found = options.standing ? all.filter(({ stands }) => stands) : all
  if (options.json) return printJson(found)
  print(
    table(
      ['time', 'state', 'analyser', 'source', 'acknowledged', 'key', ''],
      found.map(each => [
        each.time,
        each.silenced_by === null ? each.state : `${each.state}, silenced`,
        each.analyser,
        each.source ?? '*',
        each.acknowledged?.by ?? '-',
        each.key,
        each.message,
      ]),
    ),
  )
}

async function acknowledge(key: string, options: Options & { note?: string }): Promise<void> {
  const args = { key, note: options.note ?? '', by: userName() }
  const alert = await answer<AlertJson>(options, 'alerts.acknowledge', args)
  if (options.json) printJson(alert)
  else print(`${alert.acknowledged?.by} takes care of it since ${alert.acknowledged?.at}.`)
}

async function silence(options: Options & { for: number; analyser: string; source: string; reason?: string }): Promise<void> {
  const { for: forMs, analyser, source, reason = '' } = options
  const args = { analyser, source, for_ms: forMs, reason, by: userName() }
  const made = await answer<SilenceJson>(options, 'alerts.silence', args)
  if (options.json) return printJson(made)
  print(`silence ${made.id}: ${made.analyser} about ${made.source} until ${made.until}`)
  // A name that is mistaken fits nothing, and is no error: what it is about may come later.
  const standing = (await answer<AlertJson[]>(options, 'alerts')).filter(({ stands }) => stands)
  const silenced = standing.filter(({ silenced_by }) => silenced_by !== null)
  if (standing.length > 0) remark(`${silenced.length} of ${standing.length} alerts that stand are silenced now.`)
}

async function silences(options: Options): Promise<void> {
  const found = await answer<SilenceJson[]>(options, 'alerts.silences')
  if (options.json) return printJson(found)
  print(
    table(
      ['silence', 'analyser', 'source', 'until', 'by', ''],
      found.map(each => [each.id, each.analyser, each.source, each.until, each.by, each.reason]),
    ),
  )
}

async function unsilence(id: number, options: Options): Promise<void> {
  const ended = await answer<SilenceJson>(options, 'alerts.unsilence', { id })
  if (options.json) printJson(ended)
  else print(`silence ${ended.id} is over; what still stands is told now.`)
}

/** What the core says, or where there is none, or it does not know what is asked about, the gateway. */
async function answer<Answer>(options: Options, call: string, args: Readonly<Record<string, unknown>> = {}): Promise<Answer> {
  let unknown: HeadraceError | undefined
  for (const role of ROLES) {
    try {
      const said = await ask<Answer>(stateOf(options), role, call, args)
      if (said !== undefined) return said
    } catch (error) {
      if (!(error instanceof HeadraceError && error.code === 'not_found')) throw error
      unknown ??= error
    }
  }
  throw unknown ?? nothingRuns(options)
}

function nothingRuns(options: Options): HeadraceError {
  return new HeadraceError('not_running', `neither core nor gateway is running with its state in ${stateOf(options)}`, {
    advice: 'Name its configuration with --config, or its directory with --state.',
  })
}

function durationArgument(text: string): number {
  const ms = parseDurationMs(text)
  if (ms === undefined || ms === 0) throw new InvalidArgumentError('Write a duration such as 30m or 2h.')
  return ms
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    return 'unknown'
  }
}
