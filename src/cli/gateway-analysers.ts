import { join } from 'node:path'
import type { EdgeConfig } from '../config/edge.ts'
import type { CheckedPipeline } from '../config/load.ts'
import { FileKeeper } from '../reader/realtime/file-keeper.ts'
import { GatewayRunner } from '../reader/realtime/gateway-runner.ts'
import type { Alarms } from '../runtime/alarms.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Logger } from '../runtime/logger.ts'
import type { AnalyserModules } from './analyser-modules.ts'
import { alertSinks, analyserDefinitions } from './analysers.ts'

/** The analysers that run on the gateway; undefined where there are none, and then there is no file of theirs either. */
export function gatewayRunner(
  pipelines: readonly CheckedPipeline[],
  modules: AnalyserModules,
  deps: { config: EdgeConfig; clock: Clock; logger: Logger; alarms: Alarms },
): GatewayRunner | undefined {
  const definitions = analyserDefinitions(pipelines, modules, 'gateway')
  if (definitions.length === 0) return undefined
  const { config, clock, logger, alarms } = deps
  return new GatewayRunner({
    gateway: config.gateway,
    definitions,
    sinks: alertSinks(pipelines, { clock, logger, name: config.gateway }),
    keeper: new FileKeeper(join(config.state, 'edge', 'analysers.db')),
    clock,
    random: Math.random,
    logger,
    alarms,
  })
}
