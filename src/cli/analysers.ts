import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import { dial } from '../amqp/dial.ts'
import type { Analyser, FactsOf } from '../analyser/analyser.ts'
import { analyserKindOf } from '../analyser/kinds.ts'
import { openModule } from '../analyser/module.ts'
import type { CheckedPipeline } from '../config/load.ts'
import type { Log } from '../log/log.ts'
import { type AlertSink, commandSink, topicSink } from '../reader/realtime/alert-sink.ts'
import { amqpSink } from '../reader/realtime/amqp-sink.ts'
import type { AnalyserDefinition } from '../reader/realtime/definition.ts'
import type { AlertOptions, AmqpTarget, AnalyserOptions } from '../reader/realtime/options.ts'
import { webhookSink } from '../reader/realtime/webhook-sink.ts'
import { type Fields, withDeclared } from '../record/fields.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Logger } from '../runtime/logger.ts'
import { readTlsMaterial } from '../runtime/tls-files.ts'
import { type AnalyserModules, modulePath } from './analyser-modules.ts'
import { readLogin } from './login.ts'

/** Where an analyser may run. */
export type Place = 'core' | 'gateway'

/** The analysers of pipelines that run in a place; their sinks are named after them. */
export function analyserDefinitions(
  pipelines: readonly CheckedPipeline[],
  modules: AnalyserModules,
  place: Place | 'anywhere',
): AnalyserDefinition[] {
  return pipelines.flatMap(pipeline =>
    Object.entries(pipeline.config.analysers)
      .filter(([, { on }]) => place === 'anywhere' || on === place || on === 'both')
      .map(([name, options]) => definitionOf(pipeline, name, options, modules))
      .map(definition => (place === 'gateway' ? withoutLog(definition) : definition)),
  )
}

function definitionOf(
  pipeline: CheckedPipeline,
  name: string,
  options: AnalyserOptions,
  modules: AnalyserModules,
): AnalyserDefinition {
  const { sources, alert, on: _on, ...own } = options
  const id = analyserId(pipeline, name)
  const stream = streamOf(options)
  return {
    id,
    name,
    topic: pipeline.topic,
    sources,
    per: 'per' in options ? options.per : 'source',
    open: openerOf(pipeline, own, modules),
    fingerprint: createHash('sha256')
      .update(JSON.stringify({ own: withoutFields(own), sources }))
      .digest('hex')
      .slice(0, 16),
    sinks: sinkSorts(alert).map(sort => sinkName(id, sort)),
    ...(stream && {
      stream: {
        source: stream.name,
        topic: stream.topic ?? pipeline.topic,
        fieldsOf: factsOf => streamFields(options, factsOf) ?? stream.fields ?? {},
      },
    }),
  }
}

function streamOf(options: AnalyserOptions) {
  return 'stream' in options ? options.stream : undefined
}

/** What is said of a stream's fields changes nothing of what the analyser does, and is no reason to begin anew. */
function withoutFields(own: object): object {
  if (!('stream' in own) || !own.stream) return own
  const { fields: _fields, ...stream } = own.stream as { fields?: Fields }
  return { ...own, stream }
}

/** What is known of the fields of the stream that an analyser makes; undefined where it makes none, or one whose records may have any. */
export function streamFields(options: AnalyserOptions, factsOf: FactsOf): Fields | undefined {
  const stream = streamOf(options)
  const per = 'per' in options ? options.per : 'source'
  const known = stream && analyserKindOf(options).fieldsOf?.(options, per, factsOf)
  return known && withDeclared(known, stream?.fields ?? {})
}

/** A gateway has no log to write topics and streams into; those of `on: both` are the core's. */
function withoutLog({ stream: _stream, ...definition }: AnalyserDefinition): AnalyserDefinition {
  return { ...definition, sinks: definition.sinks.filter(sink => !sink.endsWith(' topic')) }
}

function openerOf(pipeline: CheckedPipeline, options: object, modules: AnalyserModules): Analyser {
  if (!('module' in options)) return analyserKindOf(options).open(options as never)
  const module = modules.get(modulePath(pipeline, String(options.module)))
  if (!module) throw new Error('a module that passed its loading is gone')
  return openModule(module)
}

function analyserId(pipeline: CheckedPipeline, name: string): string {
  return `${pipeline.config.pipeline}.${name}`
}

type SinkSort = keyof AlertOptions

function sinkSorts(alert: AlertOptions | undefined): SinkSort[] {
  return Object.entries(alert ?? {})
    .filter(([, value]) => value !== undefined)
    .map(([sort]) => sort as SinkSort)
}

function sinkName(id: string, sort: SinkSort): string {
  return `${id} ${sort}`
}

export interface SinkDeps {
  readonly clock: Clock
  readonly logger: Logger
  /** Name of the core or gateway, under which it is known to receivers. */
  readonly name: string
  /** Where alerts are written to a topic; a gateway has none. */
  readonly log?: Log
}

/** Where the alerts of pipelines go, by the names that definitions have for them. */
export function alertSinks(pipelines: readonly CheckedPipeline[], deps: SinkDeps): Map<string, AlertSink> {
  const sinks = new Map<string, AlertSink>()
  const topics = new Map<string, AlertSink>()
  for (const pipeline of pipelines)
    for (const [name, { alert }] of Object.entries(pipeline.config.analysers)) {
      const id = analyserId(pipeline, name)
      if (alert?.command) sinks.set(sinkName(id, 'command'), commandSink(alert.command, pipeline.folder))
      if (alert?.webhook !== undefined) sinks.set(sinkName(id, 'webhook'), webhookSink(alert.webhook))
      if (alert?.amqp !== undefined) sinks.set(sinkName(id, 'amqp'), amqpSinkOf(alert.amqp, pipeline.folder, deps))
      if (alert?.topic !== undefined && deps.log) {
        const key = `${alert.topic} ${name}`
        const sink = topics.get(key) ?? topicSink(deps.log, alert.topic, deps.name)
        topics.set(key, sink)
        sinks.set(sinkName(id, 'topic'), sink)
      }
    }
  return sinks
}

/** Files are read anew for each connection: certificates and passwords are renewed while the process runs. */
function amqpSinkOf(amqp: string | AmqpTarget, folder: string, { clock, logger, name }: SinkDeps): AlertSink {
  const { address, username, password_file, tls } = typeof amqp === 'string' ? ({ address: amqp } as AmqpTarget) : amqp
  const at = address.indexOf('/', address.indexOf('//') + 2)
  const url = address.slice(0, at)
  const inFolder = (file: string | undefined) => file && resolve(folder, file)
  return amqpSink(address.slice(at + 1), async () =>
    dial({
      url,
      containerId: `${name}-alerts`,
      ...(tls && { tls: readTlsMaterial({ cert: inFolder(tls.cert), key: inFolder(tls.key), ca: inFolder(tls.ca) }) }),
      ...(username !== undefined && { user: readLogin({ username, password_file: inFolder(password_file) ?? '' }) }),
      clock,
      log: logger,
    }),
  )
}
