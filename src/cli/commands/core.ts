import { Command } from 'commander'
import { systemClock } from '../../runtime/clock.ts'
import { allowGarbage } from '../../runtime/garbage-allowed.ts'
import { collectWhenIdle } from '../../runtime/idle-collection.ts'
import { createLogger, type LogLevel } from '../../runtime/logger.ts'
import { runUntilSignal } from '../run-until-signal.ts'
import { logLevelOption } from './log-level.ts'

/** No device waits for a core's main thread: it may stand still for a moment though it has something to do. */
const BUSY_SHARE = 0.2

export function coreCommand(): Command {
  return new Command('core')
    .description('Runs a core: takes gateways in, lays their records down in the log, runs batch jobs and analysers.')
    .requiredOption('--config <file>', 'core.yaml')
    .addOption(logLevelOption())
    .addHelpText(
      'after',
      '\nPipeline files that change are taken over while it runs (at once with SIGHUP).\n\nExample:\n  headrace core --config /etc/headrace/core.yaml',
    )
    .action(async ({ config: file, logLevel }: { config: string; logLevel: LogLevel }) => {
      const { EarlyHangup, PipelineReload } = await import('../pipeline-reload.ts')
      const early = new EarlyHangup()
      const { loadCore } = await import('../../config/load.ts')
      const { CoreProcess } = await import('../core-process.ts')
      const { filesOf } = await import('../pipeline-files.ts')
      const { startPatiently } = await import('../patient-start.ts')
      const { supervise } = await import('../under-service-manager.ts')
      const { config, pipelines } = loadCore(file)
      early.loaded(filesOf(file, config.pipelines))
      const log = createLogger(logLevel)
      const start = () => CoreProcess.start(config, pipelines, log)
      const core = config.log.kafka
        ? await startPatiently(start, { clock: systemClock, random: Math.random, logger: log })
        : await start()
      const reloadable = {
        files: () => filesOf(file, core.pipelinePatterns),
        reload: async () => {
          const changed = loadCore(file)
          await core.reload(changed.config, changed.pipelines)
        },
        refused: (why: string) => core.refused(why),
      }
      const reload = new PipelineReload(reloadable, systemClock, log, early)
      const supervision = supervise(core.vitals, log)
      const collection = collectWhenIdle({ clock: systemClock, busyShare: BUSY_SHARE })
      const garbage = allowGarbage(systemClock)
      const stop = async () => {
        collection.cancel()
        garbage.cancel()
        supervision.stopping()
        await reload.end()
        await core.stop()
      }
      process.exitCode = await runUntilSignal(stop, log, () =>
        log.info({ url: core.url, console: core.consoleUrl }, 'core started'),
      )
    })
}
