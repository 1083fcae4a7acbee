import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { Command } from 'commander'
import { systemClock } from '../../runtime/clock.ts'
import { createLogger, type LogLevel } from '../../runtime/logger.ts'
import { NAME_PATTERN } from '../../runtime/names.ts'
import { nameArgument } from '../arguments.ts'
import { print } from '../output.ts'
import { runUntilSignal } from '../run-until-signal.ts'
import { logLevelOption } from './log-level.ts'

export function upCommand(): Command {
  return new Command('up')
    .description('Runs everything on this machine: sources, buffer, link, and a core on the embedded SQLite log.')
    .argument('<pipeline...>', 'pipeline files')
    .option('--state <directory>', 'where everything is kept', './.headrace')
    .option('--gateway <name>', "name of the gateway; the host's name unless set", nameArgument)
    .addOption(logLevelOption().default('warn'))
    .addHelpText(
      'after',
      '\nPipeline files that change are taken over while it runs (at once with SIGHUP).\n\nExample:\n  headrace up pipelines/cold-store.yaml',
    )
    .action(async (files: string[], options: { state: string; gateway?: string; logLevel: LogLevel }) => {
      const { EarlyHangup, PipelineReload } = await import('../pipeline-reload.ts')
      const early = new EarlyHangup()
      early.loaded(files)
      const { startAll } = await import('../all-in-one.ts')
      const log = createLogger(options.logLevel)
      const state = resolve(options.state)
      const all = await startAll({
        files,
        state,
        gateway: options.gateway ?? gatewayName(hostname()),
        log,
        console: '127.0.0.1:0',
      })
      const reload = new PipelineReload({ files: () => files, ...all }, systemClock, log, early)
      const stop = async () => {
        await reload.end()
        await all.stop()
      }
      process.exitCode = await runUntilSignal(stop, log, () => {
        print(`headrace is up: gateway ${all.gateway}, ${all.sources} sources, core at ${all.url}, files in ${state}`)
        print(`See it at ${all.consoleUrl}, or with "headrace status" and "headrace tail"; Ctrl-C ends it.`)
      })
    })
}

/** The host's name made into a gateway's. */
export function gatewayName(host: string): string {
  const name = host
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+/, '')
    .slice(0, 63)
  return NAME_PATTERN.test(name) ? name : 'gateway'
}
