import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { Alert } from '../analyser/analyser.ts'
import { kindOf } from '../config/kind-of.ts'
import type { LoadedPipeline } from '../config/load.ts'
import type { Log } from '../log/log.ts'
import { BatchJob, type JobDefinition } from '../reader/batch/job.ts'
import { Retention } from '../reader/batch/retention.ts'
import type { Ledger } from '../reader/ledger.ts'
import type { AlertBook } from '../reader/realtime/alert-book.ts'
import type { AlertSink } from '../reader/realtime/alert-sink.ts'
import { AnalyserRunner } from '../reader/realtime/runner.ts'
import { SilenceWatch, silencedSink } from '../reader/realtime/silencing.ts'
import type { ValueShape } from '../reader/render/renderer.ts'
import type { Alarms } from '../runtime/alarms.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Logger } from '../runtime/logger.ts'
import { type SourceId, STREAM_GATEWAY } from '../runtime/names.ts'
import { loadAnalyserModules } from './analyser-modules.ts'
import { alertSinks, analyserDefinitions, streamFields } from './analysers.ts'
import { RETRIED_SUFFIX } from './dead-retry.ts'
import { allFieldsOf } from './edge-sources.ts'
import type { Tracing } from './tracing.ts'

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

/** A batch job as a pipeline declares it. */
export interface JobPlan {
  /** `<pipeline>.<job>` */
  readonly name: string
  readonly definition: JobDefinition
  /** All that the job depends on: another text is another job. */
  readonly facts: string
}

export function jobPlans(pipelines: readonly LoadedPipeline[]): JobPlan[] {
  const streams = streamShapes(pipelines)
  return pipelines.flatMap(pipeline => {
    const { topic, folder, config } = pipeline
    const shapeOf = shapesOf(pipeline, streams)
    const declared = Object.keys(config.sources)
    const shapes = () => declared.map(source => [source, shapeOf({ gateway: '', source })])
    return Object.entries(config.batch).map(([job, options]) => {
      const name = `${config.pipeline}.${job}`
      const definition = { name, topic, options, folder, declared, shapeOf }
      return { name, definition, facts: JSON.stringify([topic, folder, options, shapes(), [...streams]]) }
    })
  })
}

export function createJob({ definition }: JobPlan, deps: ReaderDeps): BatchJob {
  return new BatchJob(definition, { ...deps, core: deps.name, runsDir: join(deps.stateDir, 'runs') })
}

/** What deletes from the log by the pipelines' `retention`; it never deletes what one of the jobs has not read, unless told to. */
export function createRetention(pipelines: readonly LoadedPipeline[], jobs: readonly BatchJob[], deps: ReaderDeps): Retention {
  const topics = pipelines.flatMap(({ topic, config }) => (config.retention ? [{ topic, options: config.retention }] : []))
  return new Retention({ ...deps, topics, jobs })
}

/** All that the analysers of pipelines depend on. */
export function analyserFacts(pipelines: readonly LoadedPipeline[]): string {
  return JSON.stringify(pipelines.map(({ topic, folder, config }) => [config.pipeline, topic, folder, config.analysers]))
}

/** The analysers of pipelines that run on the core. */
export async function createAnalysers(
  pipelines: readonly LoadedPipeline[],
  deps: Omit<ReaderDeps, 'ledger'> & { book: AlertBook; onAlert?: (alert: Alert) => void; tracing?: Tracing | undefined },
): Promise<{ runner: AnalyserRunner; silences: SilenceWatch }> {
  const { log, clock, random, logger, alarms, name, book, onAlert, tracing } = deps
  const modules = await loadAnalyserModules(pipelines)
  const sinks = alertSinks(pipelines, { clock, logger, name, log })
  // A topic is the record of what happened, and wakes nobody: it is told whatever is silenced.
  const outward = [...sinks].filter(([sink]) => !sink.endsWith(' topic'))
  const silenced = outward.map(([sink, each]): [string, AlertSink] => [sink, silencedSink(sink, each, book)])
  const runner = new AnalyserRunner({
    ...{ log, clock, random, logger, alarms },
    definitions: analyserDefinitions(pipelines, modules, 'core'),
    sinks: new Map([...sinks, ...silenced]),
    owner: { core: name, instance: randomUUID() },
    onAlert: (alert, id) => {
      book.add(alert, id)
      onAlert?.(alert)
    },
    lastAlertOf: id => book.lastOf(id),
    ...(tracing && { onRead: tracing.analysed.bind(tracing) }),
  })
  return { runner, silences: new SilenceWatch({ book, sinks, clock, logger }) }
}

/** What is known of a source's values from its pipeline: JSON where it decodes, or where its kind gives JSON; and its fields, where they are all known. */
function shapesOf(pipeline: LoadedPipeline, streams: ReadonlyMap<string, ValueShape>): (source: SourceId) => ValueShape {
  const { sources } = pipeline.config
  const shapes = new Map<string, ValueShape>()
  const shapeOf = (name: string): ValueShape | undefined => {
    const known = shapes.get(name)
    const config = sources[name]
    if (known || !config) return known
    const { gives, fields } = kindOf(config).kind
    const isDecoded = (config.decode ?? 'raw') !== 'raw' || fields !== undefined
    const columns = Object.keys(allFieldsOf(config) ?? {})
    const shape = isDecoded ? { json: true, columns } : { json: gives === 'messages', columns, unchecked: true as const }
    shapes.set(name, shape)
    return shape
  }
  // What of a source was dead and was retried is as the rest of it.
  const original = (name: string) => (name.endsWith(RETRIED_SUFFIX) ? name.slice(0, -RETRIED_SUFFIX.length) : name)
  const unknown = { json: true, columns: [], unchecked: true } as const
  return ({ gateway, source }) =>
    (gateway === STREAM_GATEWAY ? streams.get(source) : (shapeOf(source) ?? shapeOf(original(source)))) ?? unknown
}

/** Derived streams by their names; one that another pipeline makes may lie in a pipeline's topic. */
function streamShapes(pipelines: readonly LoadedPipeline[]): Map<string, ValueShape> {
  const all = pipelines.flatMap(({ config }) => Object.values(config.analysers))
  const nothing = () => ({})
  return new Map(
    all.flatMap((options): [string, ValueShape][] => {
      const fields = streamFields(options, nothing)
      return 'stream' in options && options.stream && fields
        ? [[options.stream.name, { json: true, columns: Object.keys(fields) }]]
        : []
    }),
  )
}
