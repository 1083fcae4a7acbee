import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import type { LogOptions } from '../../log/options.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import { momentArgument } from '../arguments.ts'
import { print } from '../output.ts'
import { stateOf, type WhereOptions } from '../where.ts'

interface ReplayOptions extends WhereOptions {
  readonly from: number
  readonly to?: number
  readonly analyser?: string
  readonly alerts?: true
  readonly json?: true
}

export function replayCommand(): Command {
  return new Command('replay')
    .description(
      'Runs analysers over the past of the log and shows what they would have said. Nobody is told, unless with --alerts.',
    )
    .argument('<pipeline>', 'the pipeline file; it may be another one than the core has')
    .requiredOption('--from <time>', 'event time of the first record, ISO 8601', momentArgument)
    .option('--to <time>', 'event time before which the last record lies; now, unless set', momentArgument)
    .option('--analyser <name>', 'only this one')
    .option('--alerts', 'alerts go to where the pipeline file says')
    .option('--config <file>', 'core.yaml, for its log')
    .option('--state <directory>', 'the state directory of "headrace up"; ./.headrace unless set')
    .option('--json', 'NDJSON, for programs')
    .addHelpText(
      'after',
      '\nExample:\n  headrace replay cold-store.yaml --from 2026-03-01T00:00:00Z --to 2026-03-02T00:00:00Z --analyser oil-too-hot',
    )
    .action(async (file: string, options: ReplayOptions) => {
      const to = options.to ?? Date.now()
      if (options.from >= to) throw new HeadraceError('config_invalid', '--from has to lie before --to')
      const { replay } = await import('../replay.ts')
      const log = await logOf(options)
      const result = await replay({
        file,
        log,
        ...options,
        to,
        say: (line, json) => print(options.json ? JSON.stringify(json) : line),
      })
      if (!options.json)
        print(
          `${result.records} records of ${result.sources} source(s): ${result.alerts} alerts, ${result.derived} derived records`,
        )
    })
}

async function logOf(options: WhereOptions): Promise<{ options: LogOptions; stateDir: string; name: string }> {
  if (options.config !== undefined) {
    const { loadCore } = await import('../../config/load.ts')
    const { config } = loadCore(options.config)
    return { options: config.log, stateDir: join(config.state, 'core'), name: config.name }
  }
  const stateDir = join(stateOf(options), 'core')
  if (!existsSync(join(stateDir, 'log.db')))
    throw new HeadraceError('not_found', `there is no log in ${stateDir}`, {
      advice: 'Name the state directory with --state, or core.yaml with --config.',
    })
  return { options: { sqlite: {} }, stateDir, name: 'core' }
}
