import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import type { ConsoleOptions } from '../console/options.ts'
import { HeadraceError } from '../runtime/errors.ts'
import { globWithin } from '../runtime/glob-within.ts'
import { namesSource, STREAM_GATEWAY } from '../runtime/names.ts'
import { durationText, isDurationPattern, isSizePattern, sizeText } from '../runtime/units.ts'
import { withSerialProfile } from '../source/serial-profile.ts'
import { testFileSchema } from './analyser-tests.ts'
import { type CoreConfig, coreSchema } from './core.ts'
import { ConfigDocument } from './document.ts'
import { type EdgeConfig, edgeSchema } from './edge.ts'
import { ConfigError, type ConfigIssue } from './errors.ts'
import { type GatewayProfile, loadGateway } from './gateway-profile.ts'
import { kindOf } from './kind-of.ts'
import { type PipelineConfig, pipelineSchema } from './pipeline.ts'

/** A pipeline file that was read and found right. */
export interface CheckedPipeline {
  readonly file: string
  readonly folder: string
  readonly topic: string
  readonly config: PipelineConfig
}

/** The same with its text, for those who may yet find something wrong in it. */
export interface LoadedPipeline extends CheckedPipeline {
  readonly document: ConfigDocument
}

export interface LoadedEdge {
  readonly config: EdgeConfig
  readonly pipelines: readonly LoadedPipeline[]
}

export interface LoadedCore {
  readonly config: CoreConfig
  readonly pipelines: readonly LoadedPipeline[]
}

/** What kind of file it is, told by its keys. */
export function loadAny(file: string): 'pipeline' | 'edge' | 'core' | 'tests' {
  const document = ConfigDocument.read(file)
  const keys = Object.keys(document.as(z.looseObject({})))
  if (isTestFile(file)) {
    loadTestFile(file)
    return 'tests'
  }
  if (keys.includes('pipeline') || keys.includes('sources')) loadPipelines([file])
  else if (keys.includes('uplink') || keys.includes('gateway')) loadEdge(file)
  else if (keys.includes('log') || keys.includes('ingress')) loadCore(file)
  else throw new ConfigError([document.issue([], 'is none of pipeline (key `pipeline`), edge (`uplink`) and core (`log`)')])
  if (keys.includes('pipeline') || keys.includes('sources')) return 'pipeline'
  return keys.includes('uplink') || keys.includes('gateway') ? 'edge' : 'core'
}

export interface LoadedTests {
  readonly file: string
  readonly tests: z.output<typeof testFileSchema>['tests']
  readonly document: ConfigDocument
}

export function isTestFile(file: string): boolean {
  return file.endsWith('.test.yaml')
}

/** A file of tests beside a pipeline, and the pipeline file that it is about. */
export function loadTestFile(file: string): LoadedTests & { pipeline: string } {
  const document = ConfigDocument.read(file)
  const { pipeline, tests } = document.as(testFileSchema)
  return {
    file,
    tests,
    document,
    pipeline: pipeline === undefined ? file.replace(/\.test\.yaml$/, '.yaml') : resolve(dirname(file), pipeline),
  }
}

export function loadEdge(file: string): LoadedEdge {
  const document = ConfigDocument.read(file)
  const config = edgeOf(document)
  const pipelines = loadPipelines(expand(document, config.pipelines))
  return { config, pipelines: suitedTo(document, config.hardware, pipelines) }
}

/** An edge.yaml without its pipelines; its paths from where it lies. */
export function edgeOf(document: ConfigDocument): EdgeConfig {
  const config = document.as(edgeSchema)
  const folder = dirname(resolve(document.file))
  const uplink = { ...config.uplink, ...filesWithin(folder, config.uplink) }
  const state = resolve(folder, config.state)
  const own = config.console && { console: consoleWithin(folder, config.console) }
  return { ...config, state, uplink, ...own }
}

/** Pipelines that say nothing of it get the durability that suits the gateway's storage. */
function suitedTo(
  document: ConfigDocument,
  hardware: string | undefined,
  pipelines: readonly LoadedPipeline[],
): LoadedPipeline[] {
  if (hardware === undefined) return [...pipelines]
  const { durability } = profileOf(document, hardware).storage
  return pipelines.map(each => (each.document.has(['durability']) ? each : { ...each, config: { ...each.config, durability } }))
}

function profileOf(document: ConfigDocument, hardware: string): GatewayProfile {
  try {
    return loadGateway(hardware)
  } catch (error) {
    if (!(error instanceof HeadraceError) || error.code !== 'not_found') throw error
    throw new ConfigError([document.issue(['hardware'], `${error.message} ${error.advice ?? ''}`.trim())])
  }
}

export function loadCore(file: string): LoadedCore {
  const document = ConfigDocument.read(file)
  const config = coreOf(document)
  return { config, pipelines: loadPipelines(expand(document, config.pipelines), 'any gateways') }
}

/** A core.yaml without its pipelines; its paths from where it lies. */
export function coreOf(document: ConfigDocument): CoreConfig {
  const config = document.as(coreSchema)
  const folder = dirname(resolve(document.file))
  const { ca, ingress, log } = config
  const { kafka, sqlite } = log
  return {
    ...config,
    state: resolve(folder, config.state),
    ...(ca?.folder !== undefined && { ca: { ...ca, folder: resolve(folder, ca.folder) } }),
    ...(config.console && { console: consoleWithin(folder, config.console) }),
    ...(ingress && { ingress: { ...ingress, ...filesWithin(folder, ingress) } }),
    log: {
      ...log,
      ...(sqlite?.path !== undefined && { sqlite: { path: resolve(folder, sqlite.path) } }),
      ...(kafka && { kafka: { ...kafka, ...filesWithin(folder, kafka) } }),
    },
  }
}

function consoleWithin(folder: string, console: ConsoleOptions): ConsoleOptions {
  const { tls, users } = console
  return { ...console, ...(tls && { tls: within(folder, tls) }), ...(users !== undefined && { users: resolve(folder, users) }) }
}

/** Paths of a configuration are meant from where it lies, wherever the process was started. */
function within<Files extends Readonly<Record<string, string | undefined>>>(folder: string, files: Files): Files {
  const entries = Object.entries(files).map(([name, file]) => [name, file === undefined ? undefined : resolve(folder, file)])
  return Object.fromEntries(entries) as Files
}

/** The files by which one side proves to the other who it is. */
function filesWithin<Tls extends Readonly<Record<string, string | undefined>>, Sasl extends { readonly password_file: string }>(
  folder: string,
  { tls, sasl }: { readonly tls?: Tls | undefined; readonly sasl?: Sasl | undefined },
) {
  return {
    ...(tls && { tls: within(folder, tls) }),
    ...(sasl && { sasl: { ...sasl, password_file: resolve(folder, sasl.password_file) } }),
  }
}

/** Whose pipelines they are: those of one gateway have ports and names of sources in common, those that a core serves may be of any gateways. */
type Of = 'one gateway' | 'any gateways'

/** Reads pipeline files and looks at them together. Throws {@link ConfigError} with all that is wrong in any of them. */
export function loadPipelines(files: readonly string[], of: Of = 'one gateway'): LoadedPipeline[] {
  const issues: ConfigIssue[] = []
  const loaded: LoadedPipeline[] = []
  for (const file of files) {
    try {
      const document = ConfigDocument.read(file)
      const folder = dirname(resolve(file))
      const config = sourcesWithin(folder, document.as(pipelineSchema, withDeviceProfiles))
      loaded.push({ file, folder, topic: config.topic ?? config.pipeline, config, document })
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      issues.push(...error.issues)
    }
  }
  issues.push(...acrossFiles(loaded, of))
  if (issues.length > 0) throw new ConfigError(issues)
  return loaded
}

/** The file's content with its sources' device profiles filled in; what is wrong with it is left for its schema to say. */
function withDeviceProfiles(content: unknown): unknown {
  const sources = (content as { sources?: unknown }).sources
  if (typeof sources !== 'object' || sources === null || Array.isArray(sources)) return content
  const filled = Object.entries(sources).map(([name, source]) => [name, withSerialProfile(source)])
  return { ...(content as object), sources: Object.fromEntries(filled) }
}

/** A pipeline whose sources name their files by whole paths, wherever the process was started. */
function sourcesWithin(folder: string, config: PipelineConfig): PipelineConfig {
  const sources = Object.entries(config.sources).map(([name, source]) => {
    const { kind, options } = kindOf(source)
    return [name, { ...source, [kind.kind]: kind.within?.(options, folder) ?? options }]
  })
  return { ...config, sources: Object.fromEntries(sources) }
}

/** The pipeline files that a configuration names; a pattern that fits none is an error, since something is meant to be there. */
function expand(document: ConfigDocument, patterns: readonly string[]): string[] {
  const folder = dirname(resolve(document.file))
  const issues: ConfigIssue[] = []
  const files = patterns.flatMap((pattern, index) => {
    // Tests lie beside the pipelines that they are of.
    const found = globWithin(pattern, folder).filter(file => !isTestFile(file))
    if (found.length === 0) issues.push(document.issue(['pipelines', index], `no file fits "${pattern}"`))
    return found
  })
  if (issues.length > 0) throw new ConfigError(issues)
  return [...new Set(files)]
}

/** What no single file shows: names given twice, and ports that two sources read. */
function acrossFiles(pipelines: readonly LoadedPipeline[], of: Of): ConfigIssue[] {
  const issues: ConfigIssue[] = []
  const names = new Map<string, string>()
  const sources = new Map<string, string>()
  const resources = new Map<string, { where: string; shared: string | undefined }>()
  const streams = new Map<string, string>()
  for (const { file, config, document } of pipelines) {
    for (const [analyser, options] of Object.entries(config.analysers)) {
      const stream = 'stream' in options ? options.stream : undefined
      if (options.on === 'gateway' && (stream || options.alert?.topic !== undefined)) {
        const at = ['analysers', analyser, ...(stream ? ['stream'] : ['alert', 'topic'])]
        issues.push(document.issue(at, 'a gateway has no log to write into: take it away, or say on: core or both', true))
      }
      if (!stream) continue
      const path = ['analysers', analyser, 'stream', 'name']
      const before = streams.get(stream.name)
      if (before !== undefined)
        issues.push(document.issue(path, `a derived stream "${stream.name}" is made by ${before} already`))
      streams.set(stream.name, `"${analyser}" in ${file}`)
    }
    const first = names.get(config.pipeline)
    if (first !== undefined) issues.push(document.issue(['pipeline'], `pipeline "${config.pipeline}" is in ${first} already`))
    names.set(config.pipeline, file)
    if (of === 'any gateways') {
      sources.clear()
      resources.clear()
    }
    for (const [source, options] of Object.entries(config.sources)) {
      const path = ['sources', source]
      const before = sources.get(source)
      if (before !== undefined)
        issues.push(
          document.issue(path, `a source "${source}" is in ${before} already; a gateway's sources have different names`, true),
        )
      sources.set(source, file)
      const { kind, options: own } = kindOf(options)
      if (kind.gives === 'messages' && options.frame)
        issues.push(document.issue([...path, 'frame'], `${kind.kind} gives whole records: there is nothing to frame`, true))
      for (const { at, message } of kind.problems?.(own) ?? []) issues.push(document.issue([...path, kind.kind, ...at], message))
      const resource = kind.resource?.(own)
      if (!resource) continue
      const taken = resources.get(resource.name)
      if (taken && (resource.shared === undefined || taken.shared !== resource.shared)) {
        const isOtherwise = resource.shared !== undefined && taken.shared !== undefined
        const how = isOtherwise ? 'with other settings of the line' : 'already'
        issues.push(document.issue([...path, kind.kind], `${resource.name} is read by ${taken.where} ${how}`, true))
      }
      resources.set(resource.name, { where: `"${source}" in ${file}`, shared: resource.shared })
    }
  }
  return [...issues, ...streamCycles(pipelines)]
}

/** Analysers that watch their own streams, one by one or in a ring: each record would make another one, for ever. */
function streamCycles(pipelines: readonly LoadedPipeline[]): ConfigIssue[] {
  const makers = pipelines.flatMap(({ config, document }) =>
    Object.entries(config.analysers).flatMap(([analyser, options]) => {
      const stream = 'stream' in options ? options.stream?.name : undefined
      return stream === undefined ? [] : [{ analyser, document, stream, globs: options.sources }]
    }),
  )
  const feeds = (stream: string, globs: readonly string[]) => namesSource(globs, { gateway: STREAM_GATEWAY, source: stream })
  return makers.flatMap(({ analyser, document, stream, globs }) => {
    const above = new Set(makers.filter(each => feeds(each.stream, globs)))
    for (const each of above) for (const more of makers) if (feeds(more.stream, each.globs)) above.add(more)
    if (![...above].some(each => each.stream === stream)) return []
    return [document.issue(['analysers', analyser, 'sources'], `"${analyser}" would watch its own derived stream "${stream}"`)]
  })
}

/** The JSON Schemas of the three kinds of file, for editors; durations and sizes are texts there. */
export function jsonSchemas(): Record<'pipeline' | 'edge' | 'core', unknown> {
  const convert = (schema: z.ZodType) =>
    z.toJSONSchema(schema, {
      io: 'input',
      unrepresentable: 'any',
      override: ({ zodSchema, jsonSchema }) => setDefault(zodSchema, jsonSchema),
    })
  return { pipeline: convert(pipelineSchema), edge: convert(edgeSchema), core: convert(coreSchema) }
}

/** A default of a duration or size is a number inside, and left out by zod: the schema says what a person would write. */
function setDefault(zodSchema: z.core.$ZodType, jsonSchema: z.core.JSONSchema.BaseSchema): void {
  const { def } = (zodSchema as z.core.$ZodTypes)._zod
  if (def.type !== 'default' || typeof def.defaultValue !== 'number') return
  const texts = jsonSchema.anyOf?.map(each => (each as { pattern?: string }).pattern ?? '') ?? []
  if (texts.some(isDurationPattern)) jsonSchema.default = durationText(def.defaultValue)
  else if (texts.some(isSizePattern)) jsonSchema.default = sizeText(def.defaultValue)
}
