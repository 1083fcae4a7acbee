import { Command } from 'commander'
import { createLogger, type LogLevel } from '../../runtime/logger.ts'
import { runUntilSignal } from '../run-until-signal.ts'
import { logLevelOption } from './log-level.ts'

export function coreCommand(): Command {
  return new Command('core')
    .description('Runs a core: takes gateways in, lays their records down in the log, runs batch jobs and analysers.')
    .requiredOption('--config <file>', 'core.yaml')
    .addOption(logLevelOption())
    .addHelpText('after', '\nExample:\n  headrace core --config /etc/headrace/core.yaml')
    .action(async ({ config: file, logLevel }: { config: string; logLevel: LogLevel }) => {
      const { loadCore } = await import('../../config/load.ts')
      const { CoreProcess } = await import('../core-process.ts')
      const { supervise } = await import('../under-service-manager.ts')
      const { config, pipelines } = loadCore(file)
      const log = createLogger(logLevel)
      const core = await CoreProcess.start(config, pipelines, log)
      log.info({ url: core.url, console: core.consoleUrl }, 'core started')
      const supervision = supervise(core.vitals, log)
      const stop = async () => {
        supervision.stopping()
        await core.stop()
      }
      process.exitCode = await runUntilSignal(stop, log)
    })
}
