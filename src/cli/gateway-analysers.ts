import { join } from 'node:path'
import type { EdgeConfig } from '../config/edge.ts'
import type { CheckedPipeline } from '../config/load.ts'
import { AlertBook } from '../reader/realtime/alert-book.ts'
import { FileKeeper } from '../reader/realtime/file-keeper.ts'
import { type GatewayAnalyserStatus, GatewayRunner, type TakenRecord } from '../reader/realtime/gateway-runner.ts'
import { orSetAside } from '../reader/realtime/set-aside.ts'
import { SilenceWatch, silencedSink } from '../reader/realtime/silencing.ts'
import type { Alarms } from '../runtime/alarms.ts'
import type { Clock } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import { type AlertCalls, alertCalls } from './alert-calls.ts'
import type { AnalyserModules } from './analyser-modules.ts'
import { alertSinks, analyserDefinitions } from './analysers.ts'

export interface GatewayAnalysersDeps {
  readonly config: EdgeConfig
  readonly clock: Clock
  readonly logger: Logger
  readonly alarms: Alarms
}

/** The analysers that run on a gateway, and the book of what they said; until they are stopped. */
export interface GatewayAnalysers {
  readonly calls: AlertCalls
  start(): void
  stop(): Promise<ReadonlyMap<string, readonly TakenRecord[]>>
  status(): GatewayAnalyserStatus[]
  readonly tap: GatewayRunner['tap']
}

/** Undefined where there are none, and then there are no files of theirs either. */
export function openGatewayAnalysers(
  pipelines: readonly CheckedPipeline[],
  modules: AnalyserModules,
  { config, clock, logger, alarms }: GatewayAnalysersDeps,
): GatewayAnalysers | undefined {
  const definitions = analyserDefinitions(pipelines, modules, 'gateway')
  if (definitions.length === 0) return undefined
  const folder = join(config.state, 'edge')
  const deps = { clock, alarms, log: logger }
  const keeper = orSetAside(join(folder, 'analysers.db'), path => new FileKeeper(path), deps)
  const onUnwritten = (error: unknown) => logger.error({}, `alerts could not be written down: ${messageOf(error)}`)
  const book = orSetAside(join(folder, 'alerts.db'), path => new AlertBook(path, clock, { onUnwritten }), deps)
  const sinks = alertSinks(pipelines, { clock, logger, name: config.gateway })
  const silences = new SilenceWatch({ book, sinks, clock, logger })
  const runner = new GatewayRunner({
    gateway: config.gateway,
    definitions,
    sinks: new Map([...sinks].map(([name, sink]) => [name, silencedSink(name, sink, book)])),
    keeper,
    clock,
    random: Math.random,
    logger,
    alarms,
    onAlert: (alert, id) => book.add(alert, id),
    lastAlertOf: id => book.lastOf(id),
  })
  return {
    calls: alertCalls(book),
    start: () => {
      runner.start()
      silences.start()
    },
    stop: async () => {
      await silences.stop()
      const left = await runner.stop()
      book.close()
      return left
    },
    status: () => runner.status(),
    tap: (...of) => runner.tap(...of),
  }
}
