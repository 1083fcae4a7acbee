import { writeFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import { z } from 'zod'
import { systemClock } from '../../runtime/clock.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import { parseDurationMs } from '../../runtime/units.ts'
import { durationOption } from '../arguments.ts'
import { FLOWS, type Health } from '../flow-check.ts'
import { readGiven } from '../given-file.ts'
import { EXIT, print, printJson } from '../output.ts'
import { stateOf, type WhereOptions } from '../where.ts'

/** How long it is looked whether records move, ms: sources are asked every few seconds at least in most plants. */
const WITHIN_MS = 15_000

interface Options extends WhereOptions {
  readonly role: 'edge' | 'core'
  readonly within: number
  readonly save?: string
  readonly like?: string
  readonly expect?: string
  readonly json?: true
}

export function healthCommand(): Command {
  return new Command('health')
    .description(
      'Watches whether records move here: whether they are read, and come into the log. Exit code 1 where that is worse than asked.',
    )
    .option('--config <file>', 'edge.yaml or core.yaml')
    .option('--state <directory>', 'the state directory; ./.headrace unless set')
    .addOption(new Option('--role <role>', 'whom it is about').choices(['edge', 'core']).default('edge'))
    .addOption(
      durationOption('--within <duration>', 'how long it may take', text => parseDurationMs(text) ?? wrong(text), WITHIN_MS),
    )
    .option('--save <file>', 'keeps what was seen, for --like')
    .option('--like <file>', 'asks that it is as well as it was then; without, that a process answers')
    .option('--expect <version>', 'asks that the process is of this version')
    .option('--json', 'for programs')
    .addHelpText(
      'after',
      '\nExamples:\n  headrace health --config /etc/headrace/edge.yaml --save before.json\n  headrace health --config /etc/headrace/edge.yaml --like before.json --within 2m',
    )
    .action(async (options: Options) => {
      process.exitCode = await look(options)
    })
}

async function look({ role, within, save, like, expect, json, ...where }: Options): Promise<number> {
  const { checkFlow, worseThan } = await import('../flow-check.ts')
  const { ask } = await import('./status.ts')
  const state = stateOf(where)
  const before: Health = like === undefined ? { role, version: null, flow: 'running', frozen: [] } : readHealth(like)
  // To see how it is, it is looked until it cannot get better; to compare, until it is no worse.
  const enough = (seen: Health) => (save === undefined ? worseThan(before, seen, expect) === undefined : seen.flow === 'settling')
  const health = await checkFlow({ role, ask: () => ask(state, role), withinMs: within, clock: systemClock, enough })
  if (save !== undefined) writeFileSync(save, JSON.stringify(health))
  const why = save === undefined ? worseThan(before, health, expect) : undefined
  if (json) printJson({ ...health, worse: why ?? null })
  else print(why ?? `${role}${health.version === null ? '' : ` ${health.version}`}: ${health.flow}`)
  return why === undefined ? EXIT.done : EXIT.failed
}

const healthSchema = z.object({
  role: z.enum(['edge', 'core']),
  version: z.string().nullable(),
  flow: z.enum(FLOWS),
  frozen: z.array(z.string()),
})

function readHealth(path: string): Health {
  const text = readGiven('--like', path)
  try {
    return healthSchema.parse(JSON.parse(text))
  } catch (cause) {
    throw new HeadraceError('config_invalid', `${path} was not written by "headrace health --save"`, { cause })
  }
}

function wrong(text: string): never {
  throw new HeadraceError('config_invalid', `"${text}" is no duration`, { advice: 'Write it with a unit, such as 30s or 2m.' })
}
