import { globSync } from 'node:fs'
import { dirname, isAbsolute, resolve } from 'node:path'
import { z } from 'zod'
import type { ConsoleOptions } from '../console/options.ts'
import { durationText, isDurationPattern, isSizePattern, sizeText } from '../runtime/units.ts'
import { SOURCE_KINDS } from '../source/kinds.ts'
import type { SourceKind } from '../source/source.ts'
import { type CoreConfig, coreSchema } from './core.ts'
import { ConfigDocument } from './document.ts'
import { type EdgeConfig, edgeSchema } from './edge.ts'
import { ConfigError, type ConfigIssue } from './errors.ts'
import { type PipelineConfig, pipelineSchema, type SourceConfig } from './pipeline.ts'

/** A pipeline file that was read. */
export interface LoadedPipeline {
  readonly file: string
  readonly folder: string
  readonly topic: string
  readonly config: PipelineConfig
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
export function loadAny(file: string): 'pipeline' | 'edge' | 'core' {
  const document = ConfigDocument.read(file)
  const keys = Object.keys(document.as(z.looseObject({})))
  if (keys.includes('pipeline') || keys.includes('sources')) loadPipelines([file])
  else if (keys.includes('uplink') || keys.includes('gateway')) loadEdge(file)
  else if (keys.includes('log') || keys.includes('ingress')) loadCore(file)
  else throw new ConfigError([document.issue([], 'is none of pipeline (key `pipeline`), edge (`uplink`) and core (`log`)')])
  if (keys.includes('pipeline') || keys.includes('sources')) return 'pipeline'
  return keys.includes('uplink') || keys.includes('gateway') ? 'edge' : 'core'
}

export function loadEdge(file: string): LoadedEdge {
  const document = ConfigDocument.read(file)
  const config = document.as(edgeSchema)
  const folder = dirname(resolve(file))
  const uplink = { ...config.uplink, ...filesWithin(folder, config.uplink) }
  const state = resolve(folder, config.state)
  const own = config.console && { console: consoleWithin(folder, config.console) }
  return { config: { ...config, state, uplink, ...own }, pipelines: loadPipelines(expand(document, config.pipelines)) }
}

export function loadCore(file: string): LoadedCore {
  const document = ConfigDocument.read(file)
  const config = document.as(coreSchema)
  const folder = dirname(resolve(file))
  const { ingress, log } = config
  const { kafka, sqlite } = log
  return {
    config: {
      ...config,
      state: resolve(folder, config.state),
      ...(config.console && { console: consoleWithin(folder, config.console) }),
      ...(ingress && { ingress: { ...ingress, ...filesWithin(folder, ingress) } }),
      log: {
        ...log,
        ...(sqlite?.path !== undefined && { sqlite: { path: resolve(folder, sqlite.path) } }),
        ...(kafka && {
          kafka: {
            ...kafka,
            ...filesWithin(folder, kafka),
          },
        }),
      },
    },
    pipelines: loadPipelines(expand(document, config.pipelines)),
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

/** Reads pipeline files and looks at them together. Throws {@link ConfigError} with all that is wrong in any of them. */
export function loadPipelines(files: readonly string[]): LoadedPipeline[] {
  const issues: ConfigIssue[] = []
  const loaded: LoadedPipeline[] = []
  for (const file of files) {
    try {
      const document = ConfigDocument.read(file)
      const config = document.as(pipelineSchema)
      loaded.push({ file, folder: dirname(resolve(file)), topic: config.topic ?? config.pipeline, config, document })
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      issues.push(...error.issues)
    }
  }
  issues.push(...acrossFiles(loaded))
  if (issues.length > 0) throw new ConfigError(issues)
  return loaded
}

/** The one kind that a source is of, and its options. */
export function kindOf(source: SourceConfig): { kind: SourceKind; options: unknown } {
  const given = source as Readonly<Record<string, unknown>>
  const kind = SOURCE_KINDS.find(each => given[each.kind] !== undefined)
  if (!kind) throw new Error('a source without a kind passed its schema')
  return { kind, options: given[kind.kind] }
}

/** The pipeline files that a configuration names; a pattern that fits none is an error, since something is meant to be there. */
function expand(document: ConfigDocument, patterns: readonly string[]): string[] {
  const folder = dirname(resolve(document.file))
  const issues: ConfigIssue[] = []
  const files = patterns.flatMap((pattern, index) => {
    const path = isAbsolute(pattern) ? pattern : resolve(folder, pattern)
    const found = globSync(path).sort()
    if (found.length === 0) issues.push(document.issue(['pipelines', index], `no file fits "${pattern}"`))
    return found
  })
  if (issues.length > 0) throw new ConfigError(issues)
  return [...new Set(files)]
}

/** What no single file shows: names given twice, and ports that two sources read. */
function acrossFiles(pipelines: readonly LoadedPipeline[]): ConfigIssue[] {
  const issues: ConfigIssue[] = []
  const names = new Map<string, string>()
  const sources = new Map<string, string>()
  const resources = new Map<string, { where: string; shared: string | undefined }>()
  for (const { file, config, document } of pipelines) {
    const first = names.get(config.pipeline)
    if (first !== undefined) issues.push(document.issue(['pipeline'], `pipeline "${config.pipeline}" is in ${first} already`))
    names.set(config.pipeline, file)
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
  return issues
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
