import { join } from 'node:path'
import { coreSchema } from '../config/core.ts'
import { edgeSchema } from '../config/edge.ts'
import { loadPipelines } from '../config/load.ts'
import { Console } from '../console/console.ts'
import { consoleOptions } from '../console/options.ts'
import { systemClock } from '../runtime/clock.ts'
import type { Logger } from '../runtime/logger.ts'
import { type CoreEvents, CoreProcess } from './core-process.ts'
import { EdgeProcess } from './edge-process.ts'
import { VERSION } from './version.ts'

export interface AllInOne {
  readonly gateway: string
  readonly sources: number
  readonly url: string
  readonly edge: EdgeProcess
  readonly core: CoreProcess
  /** Where the console is served; undefined where none was asked for. */
  readonly consoleUrl: string | undefined
  /** Takes over the pipeline files as they are now, on both sides; rejects, and leaves all as it is, where they are wrong. */
  reload(): Promise<void>
  /** The changed files are wrong. */
  refused(why: string): void
  stop(): Promise<void>
}

/** Edge and core in one process, with the embedded log and a link over loopback: the same parts as on two machines. */
export async function startAll(options: {
  files: readonly string[]
  state: string
  gateway: string
  log: Logger
  events?: CoreEvents
  /** `host:port` of the console of both. */
  console?: string
}): Promise<AllInOne> {
  const { files, state, gateway, log } = options
  const pipelines = loadPipelines(files)
  const coreConfig = coreSchema.parse({ state, log: { sqlite: {} }, ingress: { listen: 'amqp://127.0.0.1:0' } })
  const core = await CoreProcess.start(coreConfig, pipelines, log.child({ role: 'core' }), options.events)
  const url = core.url ?? ''
  try {
    const config = edgeSchema.parse({ gateway, state, uplink: { url }, pipelines: files })
    const edge = await EdgeProcess.start(config, pipelines, log.child({ role: 'edge' }))
    const console = options.console === undefined ? undefined : consoleOf(options.console, { state, core, edge, log })
    const stop = async () => {
      await console?.stop()
      await edge.stop()
      await core.stop()
    }
    const reload = async () => {
      const changed = loadPipelines(files)
      await core.reload(coreConfig, changed)
      await edge.reload(config, changed)
    }
    const refused = (why: string) => edge.refused(why)
    const sources = edge.status().sources.length
    return { gateway, sources, url, edge, core, consoleUrl: await console?.start(), reload, refused, stop }
  } catch (error) {
    await core.stop()
    throw error
  }
}

function consoleOf(listen: string, parts: { state: string; core: CoreProcess; edge: EdgeProcess; log: Logger }): Console {
  const { state, core, edge, log } = parts
  return new Console({
    options: consoleOptions.parse({ listen }),
    stateDir: join(state, 'core'),
    sides: { core: core.calls, edge: edge.calls },
    version: VERSION,
    clock: systemClock,
    logger: log.child({ part: 'console' }),
  })
}
