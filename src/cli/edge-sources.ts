import { join } from 'node:path'
import type { EdgeBuffer, SourceSettings } from '../buffer/buffer.ts'
import { kindOf } from '../config/kind-of.ts'
import type { CheckedPipeline } from '../config/load.ts'
import type { SourceConfig } from '../config/pipeline.ts'
import { type Fields, withDeclared } from '../record/fields.ts'
import { settledWithin, systemClock } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import { hideSecrets } from '../runtime/hide-secrets.ts'
import type { Logger } from '../runtime/logger.ts'
import { columnsOf } from '../source/decode/options.ts'
import { SourceRunner } from '../source/runner.ts'
import { SharedParts } from '../source/shared-parts.ts'
import { chosenSteps, fieldsBehind } from '../source/steps/options.ts'
import type { EdgeAnalysers } from './edge-analysers.ts'
import { type RetiredSources, withoutRetired } from './retired-sources.ts'
import type { Looping } from './stall-watch.ts'

/**
 * When the gateway stops, sources are waited for so long, and then what there is no room for, ms: together with the link's few seconds that is less than a stop may take.
 * A file system that is away, or a full buffer, may hold one of them for good; what the others have in memory is written all the same.
 */
const ENDING_LIMIT_MS = 5_000
const STORED_LIMIT_MS = 3_000

interface Running {
  readonly runner: SourceRunner
  pipeline: string
  durabilityMs: number
  /** All of its configuration that the runner depends on: another text is another runner. */
  readonly facts: string
}

interface Beginning {
  readonly source: string
  readonly topic: string
  readonly config: SourceConfig
  readonly durabilityMs: () => number
}

/** What is known of a source's fields as they are buffered: by its kind, its decoder, what somebody declared, and through its steps. */
export function fieldsOfSource(config: SourceConfig, known: Fields = namedFields(config)): Fields {
  return fieldsBehind(chosenSteps(config.steps), withDeclared(known, config.fields))
}

/** The same of a source whose decoder or device names each field; undefined of others, such as `decode: json`, where records may have any. */
export function allFieldsOf(config: SourceConfig): Fields | undefined {
  return Object.keys(namedFields(config)).length > 0 ? fieldsOfSource(config) : undefined
}

function namedFields(config: SourceConfig): Fields {
  const { kind, options } = kindOf(config)
  const columns = Object.fromEntries(columnsOf(config.decode ?? 'raw').map(column => [column, {}]))
  return { ...columns, ...kind.fields?.(options) }
}

/** The same of a source that runs here. */
function fieldsHere(config: SourceConfig): Fields {
  const { kind, options } = kindOf(config)
  return fieldsOfSource(config, { ...kind.fieldsHere?.(options), ...namedFields(config) })
}

function fieldsOfAll(pipelines: readonly CheckedPipeline[]): Map<string, Fields> {
  const sources = pipelines.flatMap(({ config }) => Object.entries(config.sources))
  return new Map(sources.map(([source, config]) => [source, fieldsHere(config)]))
}

/** What a change of the configuration did. */
export interface SourceChanges {
  readonly started: readonly string[]
  readonly restarted: readonly string[]
  readonly removed: readonly string[]
}

/** How the buffer keeps each source of these pipelines. */
export function settingsOf(pipelines: readonly CheckedPipeline[]): SourceSettings[] {
  return pipelines.flatMap(({ topic, config: { durability, sources } }) =>
    Object.entries(sources).map(([source, config]) => ({
      source,
      topic,
      whenFull: config.buffer.when_full ?? kindOf(config).kind.whenFull,
      priority: config.buffer.priority,
      ...(config.buffer.ttl !== undefined && { ttlMs: config.buffer.ttl }),
      durabilityMs: durability,
    })),
  )
}

/** The sources of a gateway while it runs; the configuration may change under them. */
export class EdgeSources {
  readonly #gateway: string
  readonly #folder: string
  readonly #buffer: EdgeBuffer
  readonly #log: Logger
  readonly #analysers: EdgeAnalysers
  readonly #shared = new SharedParts()
  readonly #running = new Map<string, Running>()
  /** Why sources that are to be read cannot even be begun, until the next change. */
  readonly #unbegun = new Map<string, string>()
  /** Runners that ended while they held something, of sources that are not read now: it goes into the buffer, or to the runner that comes next. */
  readonly #ended = new Map<string, SourceRunner>()
  readonly #retired: RetiredSources
  /** Of every source that the pipelines name, read or not. */
  #fields: ReadonlyMap<string, Fields>
  #turn: Promise<unknown> = Promise.resolve()

  constructor(deps: {
    gateway: string
    /** The agent's own, within the state directory. */
    folder: string
    buffer: EdgeBuffer
    log: Logger
    analysers: EdgeAnalysers
    retired: RetiredSources
    pipelines: readonly CheckedPipeline[]
  }) {
    this.#gateway = deps.gateway
    this.#folder = deps.folder
    this.#buffer = deps.buffer
    this.#log = deps.log
    this.#analysers = deps.analysers
    this.#retired = deps.retired
    this.#fields = fieldsOfAll(deps.pipelines)
  }

  get names(): readonly string[] {
    return [...this.#running.keys()]
  }

  get(source: string): { readonly runner: SourceRunner; readonly pipeline: string } | undefined {
    return this.#running.get(source)
  }

  /** Why the source, which is to be read, is not; undefined where it is. */
  whyNotBegun(source: string): string | undefined {
    return this.#unbegun.get(source)
  }

  /** How each source's loop goes on. */
  loops(): readonly Looping[] {
    return [...this.#running].map(([source, { runner }]) => ({ source, overdueMs: runner.overdueMs }))
  }

  /** The same object until the pipelines change. */
  fieldsOf(source: string): Fields | undefined {
    return this.#fields.get(source)
  }

  /**
   * Makes these pipelines' sources run: what did not change goes on untouched, and what ends ends before anything begins, so that a port may pass from one
   * source to another. Nothing that was read is lost: it is in the buffer, or handed on to the runner that comes after. One call after the other; rejects
   * before anything is changed, where an analyser's module cannot be loaded.
   */
  apply(pipelines: readonly CheckedPipeline[]): Promise<SourceChanges> {
    const applied = this.#turn.then(() => this.#apply(pipelines))
    this.#turn = applied.catch(() => {})
    return applied
  }

  async #apply(named: readonly CheckedPipeline[]): Promise<SourceChanges> {
    const pipelines = withoutRetired(named, this.#retired)
    const changeAnalysers = await this.#analysers.prepare(pipelines)
    this.#fields = fieldsOfAll(named)
    const wanted = new Map(
      pipelines.flatMap(({ topic, config: { pipeline, durability, sources } }) =>
        Object.entries(sources).map(
          ([source, config]) => [source, { pipeline, topic, durability, config, facts: factsOf(config) }] as const,
        ),
      ),
    )
    const ending = [...this.#running].filter(([source, { facts }]) => wanted.get(source)?.facts !== facts)
    await Promise.allSettled(ending.map(([, { runner }]) => runner.stop()))
    for (const [source, runner] of this.#ended) if (!runner.holdsRecords) this.#ended.delete(source)
    for (const [source, { runner }] of ending) {
      this.#running.delete(source)
      if (runner.holdsRecords) this.#ended.set(source, runner)
      this.#analysers.untap(source)
    }
    this.#unbegun.clear()
    this.#buffer.configure(settingsOf(pipelines))
    // Under way from here on, and waited for at the end: an alert that is slow to be taken keeps no source from being read.
    const analysersChanged = changeAnalysers?.()
    const before = new Map(ending)
    const beginning: SourceRunner[] = []
    const started: string[] = []
    for (const [source, { pipeline, topic, durability, config, facts }] of wanted) {
      const going = this.#running.get(source)
      if (going) {
        Object.assign(going, { pipeline, durabilityMs: durability })
        continue
      }
      const durabilityMs = () => this.#running.get(source)?.durabilityMs ?? durability
      const runner = this.#runnerOf({ source, topic, config, durabilityMs })
      // It keeps none of the others from being read.
      if (!runner) continue
      this.#running.set(source, { runner, pipeline, durabilityMs: durability, facts })
      beginning.push(runner)
      started.push(source)
    }
    await Promise.all(beginning.map(runner => runner.start()))
    await analysersChanged
    return {
      started: started.filter(source => !before.has(source)),
      restarted: started.filter(source => before.has(source)),
      removed: ending.map(([source]) => source).filter(source => !wanted.has(source)),
    }
  }

  /** Reads nothing more; what was read is on disk when this resolves, but for what there is no room for. */
  async stop(): Promise<void> {
    // Some sources end when all that they read is on disk.
    this.#buffer.hurry()
    const ended = Promise.allSettled([...this.#running.values()].map(({ runner }) => runner.stop()))
    await settledWithin(systemClock, ENDING_LIMIT_MS, ended)
    const stored = Promise.allSettled(this.names.map(source => this.#buffer.inlet(source).stored()))
    await settledWithin(systemClock, STORED_LIMIT_MS, stored)
  }

  /** Undefined where it cannot be made: what its configuration names may have gone since that was checked. */
  #runnerOf(of: Beginning): SourceRunner | undefined {
    const { source } = of
    try {
      const runner = this.#newRunner(of)
      this.#ended.delete(source)
      return runner
    } catch (cause) {
      this.#analysers.untap(source)
      const reason = hideSecrets(messageOf(cause))
      this.#unbegun.set(source, reason)
      this.#log.error({ source }, `the source cannot be begun: ${reason}`)
      return undefined
    }
  }

  #newRunner({ source, topic, config, durabilityMs }: Beginning): SourceRunner {
    const { kind, options } = kindOf(config)
    const inlet = this.#buffer.inlet(source)
    const outlet = this.#buffer.outlet(source)
    const buffered = () => outlet?.recordsBuffered ?? 0
    const tap = this.#analysers.tap(source, topic, { stored: () => inlet.stored(), fields: () => this.#fields.get(source) })
    return new SourceRunner({
      id: { gateway: this.#gateway, source },
      kind,
      options,
      frame: config.frame,
      decode: config.decode ?? 'raw',
      time: config.time,
      steps: chosenSteps(config.steps),
      durabilityMs,
      sink: {
        append: (timeMs, bytes, from, to, headers, bookmark) => {
          const taken = inlet.append(timeMs, bytes, from, to, headers, bookmark)
          if (taken !== 'full') tap.take(timeMs, bytes, from, to, headers)
          return taken
        },
        bookmark: () => inlet.bookmark,
        stored: () => inlet.stored(),
        onRoom: call => inlet.onRoom(call),
        recordsStored: () => (outlet?.settled ?? 0) + buffered(),
        recordsBuffered: buffered,
      },
      shared: this.#shared,
      clock: systemClock,
      log: this.#log,
      random: Math.random,
      processFile: join(this.#folder, `${source}.process`),
      leftovers: () => this.#ended.get(source)?.leftovers() ?? [],
    })
  }
}

/** What a runner depends on. How its records are buffered is the buffer's, and changes without a restart. */
function factsOf({ buffer: _buffer, fields: _fields, ...config }: SourceConfig): string {
  return JSON.stringify(config)
}
