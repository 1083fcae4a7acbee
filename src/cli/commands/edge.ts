import { Command } from 'commander'
import { createLogger, type LogLevel } from '../../runtime/logger.ts'
import { runUntilSignal } from '../run-until-signal.ts'
import { logLevelOption } from './log-level.ts'

export function edgeCommand(): Command {
  return new Command('edge')
    .description("Runs a gateway's agent: reads its sources, buffers them on disk, sends them to the core.")
    .requiredOption('--config <file>', 'edge.yaml')
    .addOption(logLevelOption())
    .addHelpText('after', '\nExample:\n  headrace edge --config /etc/headrace/edge.yaml')
    .action(async ({ config: file, logLevel }: { config: string; logLevel: LogLevel }) => {
      const { loadEdge } = await import('../../config/load.ts')
      const { EdgeProcess } = await import('../edge-process.ts')
      const { config, pipelines } = loadEdge(file)
      const log = createLogger(logLevel)
      const edge = await EdgeProcess.start(config, pipelines, log)
      log.info({ gateway: config.gateway, sources: edge.status().sources.length }, 'edge started')
      process.exitCode = await runUntilSignal(() => edge.stop(), log)
    })
}
