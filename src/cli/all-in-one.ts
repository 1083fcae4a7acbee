import { coreSchema } from '../config/core.ts'
import { edgeSchema } from '../config/edge.ts'
import { loadPipelines } from '../config/load.ts'
import type { Logger } from '../runtime/logger.ts'
import { type CoreEvents, CoreProcess } from './core-process.ts'
import { EdgeProcess } from './edge-process.ts'

export interface AllInOne {
  readonly gateway: string
  readonly sources: number
  readonly url: string
  readonly edge: EdgeProcess
  readonly core: CoreProcess
  stop(): Promise<void>
}

/** Edge and core in one process, with the embedded log and a link over loopback: the same parts as on two machines. */
export async function startAll(options: {
  files: readonly string[]
  state: string
  gateway: string
  log: Logger
  events?: CoreEvents
}): Promise<AllInOne> {
  const { files, state, gateway, log } = options
  const pipelines = loadPipelines(files)
  const core = await CoreProcess.start(
    coreSchema.parse({ state, log: { sqlite: {} }, ingress: { listen: 'amqp://127.0.0.1:0' } }),
    pipelines,
    log.child({ role: 'core' }),
    options.events,
  )
  const url = core.url ?? ''
  try {
    const config = edgeSchema.parse({ gateway, state, uplink: { url }, pipelines: files })
    const edge = await EdgeProcess.start(config, pipelines, log.child({ role: 'edge' }))
    const stop = async () => {
      await edge.stop()
      await core.stop()
    }
    return { gateway, sources: edge.status().sources.length, url, edge, core, stop }
  } catch (error) {
    await core.stop()
    throw error
  }
}
