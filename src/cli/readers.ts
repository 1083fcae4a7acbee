import { join } from 'node:path'
import type { Alert } from '../analyser/analyser.ts'
import { ANALYSER_KINDS } from '../analyser/kinds.ts'
import { kindOf, type LoadedPipeline } from '../config/load.ts'
import type { Log } from '../log/log.ts'
import { BatchJob } from '../reader/batch/job.ts'
import { Retention } from '../reader/batch/retention.ts'
import type { RunResult } from '../reader/batch/runner.ts'
import { BatchScheduler } from '../reader/batch/scheduler.ts'
import type { Ledger } from '../reader/ledger.ts'
import { type AlertSink, commandSink, topicSink, webhookSink } from '../reader/realtime/alert-sink.ts'
import { AlertDelivery } from '../reader/realtime/delivery.ts'
import { type AnalyserDefinition, AnalyserRunner } from '../reader/realtime/runner.ts'
import type { ValueShape } from '../reader/render/renderer.ts'
import type { Alarms } from '../runtime/alarms.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Logger } from '../runtime/logger.ts'
import type { SourceId } from '../runtime/names.ts'
import { columnsOf } from '../source/decode/options.ts'

export interface ReaderDeps {
  readonly log: Log
  readonly ledger: Ledger
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  readonly alarms: Alarms
  /** Name of the core, under which alerts are written to a topic. */
  readonly name: string
  /** `<state>/core`. */
  readonly stateDir: string
}

/** The batch jobs of pipelines; a job's full name is `<pipeline>.<job>`. */
export function createScheduler(
  pipelines: readonly LoadedPipeline[],
  deps: ReaderDeps & { onRun?: (job: string, result: RunResult) => void },
): BatchScheduler {
  const { log, ledger, clock, logger, onRun } = deps
  const jobs = pipelines.flatMap(pipeline =>
    Object.entries(pipeline.config.batch).map(([job, options]) => {
      const name = `${pipeline.config.pipeline}.${job}`
      return new BatchJob(
        {
          name,
          topic: pipeline.topic,
          options,
          folder: pipeline.folder,
          declared: Object.keys(pipeline.config.sources),
          shapeOf: shapesOf(pipeline),
        },
        { ...deps, core: deps.name, runsDir: join(deps.stateDir, 'runs') },
      )
    }),
  )
  return new BatchScheduler({
    jobs,
    log,
    ledger,
    clock,
    logger,
    ...(onRun && { onRun: (job, result) => onRun(job.definition.name, result) }),
  })
}

/** What deletes from the log by the pipelines' `retention`; it never deletes what one of the jobs has not read, unless told to. */
export function createRetention(pipelines: readonly LoadedPipeline[], jobs: readonly BatchJob[], deps: ReaderDeps): Retention {
  const topics = pipelines.flatMap(({ topic, config }) => (config.retention ? [{ topic, options: config.retention }] : []))
  return new Retention({ ...deps, topics, jobs })
}

export function createAnalysers(
  pipelines: readonly LoadedPipeline[],
  deps: ReaderDeps & { onAlert?: (alert: Alert) => void },
): AnalyserRunner {
  const sinks = new Map<string, AlertSink>()
  const definitions = pipelines.flatMap(pipeline =>
    Object.entries(pipeline.config.analysers).map(([name, options]): AnalyserDefinition => {
      const { sources, alert, ...own } = options
      const kind = ANALYSER_KINDS.find(each => each.marker in own)
      if (!kind) throw new Error('an analyser without a kind passed its schema')
      const open = kind.open as (name: string, options: unknown) => AnalyserDefinition['analyser']
      const mine: string[] = []
      const add = (sort: string, sink: AlertSink) => {
        mine.push(`${name} ${sort}`)
        sinks.set(`${name} ${sort}`, sink)
      }
      if (alert?.command) add('command', commandSink(alert.command, pipeline.folder))
      if (alert?.webhook !== undefined) add('webhook', webhookSink(alert.webhook))
      if (alert?.topic !== undefined) add('topic', topicSink(deps.log, alert.topic, deps.name))
      return { name, topic: pipeline.topic, sources, analyser: open(name, own), sinks: mine }
    }),
  )
  const { onAlert, ...rest } = deps
  return new AnalyserRunner({
    ...rest,
    definitions,
    delivery: new AlertDelivery({ ...rest, sinks }),
    ...(onAlert && { onAlert }),
  })
}

/** What is known of a source's values from its pipeline: JSON where it decodes, or where its kind gives JSON. */
function shapesOf(pipeline: LoadedPipeline): (source: SourceId) => ValueShape {
  return ({ source }) => {
    const config = pipeline.config.sources[source]
    if (!config) return { json: true, columns: [] }
    const decode = config.decode ?? 'raw'
    const json = decode !== 'raw' || kindOf(config).kind.gives === 'messages'
    return { json, columns: columnsOf(decode) }
  }
}
