import { Command } from 'commander'
import { systemClock } from '../../runtime/clock.ts'
import { allowGarbage } from '../../runtime/garbage-allowed.ts'
import { collectWhenIdle } from '../../runtime/idle-collection.ts'
import { createLogger, type LogLevel } from '../../runtime/logger.ts'
import { letGoOfProgramPages } from '../../runtime/program-pages.ts'
import { runUntilSignal } from '../run-until-signal.ts'
import { logLevelOption } from './log-level.ts'

export function edgeCommand(): Command {
  return new Command('edge')
    .description("Runs a gateway's agent: reads its sources, buffers them on disk, sends them to the core.")
    .requiredOption('--config <file>', 'edge.yaml')
    .addOption(logLevelOption())
    .addHelpText(
      'after',
      '\nPipeline files that change are taken over while it runs (at once with SIGHUP).\n\nExample:\n  headrace edge --config /etc/headrace/edge.yaml',
    )
    .action(async ({ config: file, logLevel }: { config: string; logLevel: LogLevel }) => {
      const { EarlyHangup, PipelineReload } = await import('../pipeline-reload.ts')
      const early = new EarlyHangup()
      const { checkEdge } = await import('../../config/checked-edge.ts')
      // Both at once: the one is another thread's work.
      const [{ config, pipelines }, { EdgeProcess }] = await Promise.all([checkEdge(file), import('../edge-process.ts')])
      const { supervise } = await import('../under-service-manager.ts')
      const { filesOf } = await import('../pipeline-files.ts')
      early.loaded(filesOf(file, config.pipelines))
      const log = createLogger(logLevel)
      // Before there is a thread of the store, which shares with this one what both allow.
      const garbage = allowGarbage(systemClock)
      const edge = await EdgeProcess.start(config, pipelines, log)
      const reloadable = {
        files: () => filesOf(file, edge.pipelinePatterns),
        reload: async () => {
          const changed = await checkEdge(file)
          await edge.reload(changed.config, changed.pipelines)
        },
        refused: (why: string) => edge.refused(why),
      }
      const reload = new PipelineReload(reloadable, systemClock, log, early)
      const supervision = supervise(edge.vitals, log)
      const collection = collectWhenIdle({ clock: systemClock })
      const pages = letGoOfProgramPages(systemClock)
      const stop = async () => {
        collection.cancel()
        garbage.cancel()
        pages.cancel()
        supervision.stopping()
        await reload.end()
        await edge.stop()
      }
      process.exitCode = await runUntilSignal(stop, log, () =>
        log.info({ gateway: config.gateway, sources: edge.status().sources.length }, 'edge started'),
      )
    })
}
