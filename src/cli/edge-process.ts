import { join } from 'node:path'
import { watchedConnection } from '../amqp/watched.ts'
import type { EdgeBuffer } from '../buffer/buffer.ts'
import { openEdgeBuffer } from '../buffer/open.ts'
import type { EdgeConfig } from '../config/edge.ts'
import type { CheckedPipeline } from '../config/load.ts'
import type { Console } from '../console/console.ts'
import { type ControlCalls, ControlServer } from '../console/control-server.ts'
import { FlowWatch } from '../console/flow-watch.ts'
import { edgeMetrics } from '../console/metrics.ts'
import { Budget } from '../link/budget.ts'
import { Link, TURN_WITHIN_MS } from '../link/link.ts'
import { Reports } from '../link/reports.ts'
import type { Resumed } from '../link/resume-requests.ts'
import type { SourceFacts } from '../link/telling.ts'
import { Alarms } from '../runtime/alarms.ts'
import { systemClock } from '../runtime/clock.ts'
import { HeadraceError } from '../runtime/errors.ts'
import { collectGarbage } from '../runtime/garbage.ts'
import type { Logger } from '../runtime/logger.ts'
import { readTlsMaterial } from '../runtime/tls-files.ts'
import { stillFor, type Vital } from '../runtime/watchdog.ts'
import { type CaptureHead, type CaptureItem, capture } from '../source/capture.ts'
import { EdgeAnalysers } from './edge-analysers.ts'
import { EdgeSources, type SourceChanges, settingsOf } from './edge-sources.ts'
import { type EdgeStatus, edgeStatus } from './edge-status.ts'
import { reportOf } from './gateway-report.ts'
import { readLogin } from './login.ts'
import { CONFIG_REFUSED, configRefused } from './pipeline-reload.ts'
import { RetiredSources, withoutRetired } from './retired-sources.ts'
import { StallWatch } from './stall-watch.ts'
import { controlPath } from './state-paths.ts'
import type { Tracing } from './tracing.ts'
import { createUplink } from './uplink.ts'
import { VERSION } from './version.ts'

/** Parts of an agent that a test hands in broken, to show what the whole is worth without them. */
export interface EdgeParts {
  readonly openBuffer?: typeof openEdgeBuffer
}

/** The gateway's agent: sources → buffer → link. */
export class EdgeProcess {
  #config: EdgeConfig
  readonly #buffer: EdgeBuffer
  readonly #sources: EdgeSources
  readonly #log: Logger
  readonly #link: Link
  readonly #control: ControlServer
  #console: Console | undefined
  readonly #calls: ControlCalls
  /** Where the console is served; undefined where it is not. */
  consoleUrl: string | undefined
  readonly #alarms: Alarms
  readonly #flow: FlowWatch
  readonly #stalls: StallWatch
  readonly #analysers: EdgeAnalysers
  readonly #retired: RetiredSources
  #pipelines: readonly CheckedPipeline[]
  readonly #tracing: Tracing | undefined

  private constructor(parts: {
    config: EdgeConfig
    buffer: EdgeBuffer
    sources: EdgeSources
    link: Link
    alarms: Alarms
    analysers: EdgeAnalysers
    retired: RetiredSources
    pipelines: readonly CheckedPipeline[]
    tracing: Tracing | undefined
    log: Logger
  }) {
    this.#config = parts.config
    this.#buffer = parts.buffer
    this.#sources = parts.sources
    this.#log = parts.log
    this.#link = parts.link
    this.#alarms = parts.alarms
    this.#analysers = parts.analysers
    this.#retired = parts.retired
    this.#pipelines = parts.pipelines
    this.#tracing = parts.tracing
    this.#flow = new FlowWatch(systemClock, parts.alarms, () =>
      parts.buffer.outlets().map(outlet => ({
        source: outlet.source,
        settled: outlet.settled,
        buffered: outlet.recordsBuffered,
      })),
    )
    this.#stalls = new StallWatch(systemClock, parts.alarms, () => parts.sources.loops())
    this.#calls = this.#makeCalls()
    this.#control = new ControlServer(controlPath(parts.config.state, 'edge'), this.#calls, parts.log)
  }

  /** Only where there is one it is loaded: it takes its time and memory. */
  async #makeConsole(): Promise<Console | undefined> {
    const { console: options, state } = this.#config
    if (!options) return undefined
    const { Console } = await import('../console/console.ts')
    return new Console({
      options,
      stateDir: join(state, 'edge'),
      sides: { edge: this.#calls },
      version: VERSION,
      clock: systemClock,
      logger: this.#log.child({ part: 'console' }),
    })
  }

  /** Opens everything and starts it, the buffer first and the sources last. */
  static async start(
    config: EdgeConfig,
    pipelines: readonly CheckedPipeline[],
    log: Logger,
    parts: EdgeParts = {},
  ): Promise<EdgeProcess> {
    // What is wrong with files is said at the start, and not once a connection is tried.
    if (config.uplink.tls) readTlsMaterial(config.uplink.tls)
    if (config.uplink.sasl) readLogin(config.uplink.sasl)
    const clock = systemClock
    const alarms = new Alarms(clock)
    const retired = RetiredSources.open(join(config.state, 'edge', 'retired.json'), clock, log)
    const analysers = await EdgeAnalysers.load(withoutRetired(pipelines, retired), { config, clock, logger: log, alarms })
    const buffer = await (parts.openBuffer ?? openEdgeBuffer)({
      stateDir: join(config.state, 'edge'),
      gateway: config.gateway,
      quotaBytes: config.buffer.quota,
      rewindBytes: config.buffer.rewind,
      ...(config.buffer.flash_budget !== undefined && { flashBytesPerDay: config.buffer.flash_budget }),
      sources: settingsOf(withoutRetired(pipelines, retired)),
      clock,
      random: Math.random,
      log: log.child({ part: 'buffer' }),
      alarms,
    })
    const facts: SourceFacts = {
      fieldsOf: source => sources.fieldsOf(source),
      standingOf: source => retired.standingOf(source),
      left: source => retired.left(source),
    }
    const { connect, proofOf, shownAs } = createUplink(config, log, alarms)
    const { gateway } = config
    const tracing = config.traces && (await tracingTo(config.traces, gateway, log))
    const watch = tracing?.sent()
    const budget =
      config.uplink.budget &&
      new Budget({ options: config.uplink.budget, file: join(config.state, 'edge', 'budget.json'), clock, alarms })
    const report = () => reportOf(edge.status(), clock.wallMs())
    const link = new Link({
      gateway,
      buffer,
      mode: config.uplink.mode,
      facts,
      ...(budget && { budget }),
      reports: new Reports({ gateway, instance: buffer.instance, clock, budget, report }),
      connect: watch ? async attempt => watchedConnection(await connect(attempt), watch) : connect,
      proofOf,
      shownAs,
      clock,
      random: Math.random,
      log,
      alarms,
    })
    const sources = new EdgeSources({
      gateway: config.gateway,
      folder: join(config.state, 'edge'),
      buffer,
      log,
      analysers,
      retired,
      pipelines,
    })
    const edge: EdgeProcess = new EdgeProcess({
      config,
      buffer,
      sources,
      link,
      alarms,
      analysers,
      tracing,
      retired,
      pipelines,
      log,
    })
    try {
      await edge.#control.start()
      edge.#console = await edge.#makeConsole()
      edge.consoleUrl = await edge.#console?.start()
      await analysers.start()
    } catch (error) {
      await analysers.stop()
      await edge.#control.stop()
      await buffer.close()
      throw error
    }
    link.start()
    edge.#flow.start()
    edge.#stalls.start()
    tracing?.start()
    // While no device waits for it.
    collectGarbage()
    await edge.#apply()
    return edge
  }

  /** Reads nothing more; what was read is on disk when this resolves, and goes on to the core. */
  async stopReading(): Promise<void> {
    await this.#sources.stop()
  }

  /** Patterns of the pipeline files, as edge.yaml has them. */
  get pipelinePatterns(): readonly string[] {
    return this.#config.pipelines
  }

  /** Takes over other pipelines while it runs: only what changed begins anew. What else edge.yaml says holds from the next start on. */
  async reload(config: EdgeConfig, pipelines: readonly CheckedPipeline[]): Promise<SourceChanges> {
    const rest = ({ pipelines: _pipelines, ...others }: EdgeConfig) => JSON.stringify(others)
    if (rest(config) !== rest(this.#config)) {
      this.#log.warn({}, 'edge.yaml has changed beside its pipelines: that holds from the next start on')
    }
    const changes = await this.#sources.apply(pipelines)
    this.#pipelines = pipelines
    this.#config = { ...this.#config, pipelines: config.pipelines }
    this.#alarms.clear(CONFIG_REFUSED)
    this.#log.info(changes, 'the changed pipelines are taken over')
    return changes
  }

  #apply(): Promise<SourceChanges> {
    return this.#sources.apply(this.#pipelines)
  }

  /** Ends reading a source for good: what is buffered of it drains, and then the core is told. */
  async #retire(source: string): Promise<{ outcome: 'retired'; buffered: number; pipeline: string | null }> {
    const outlet = this.#buffer.outlet(source)
    if (!outlet) throw this.#unknown(source)
    this.#retired.add(source)
    await this.#apply()
    const named = this.#pipelines.find(({ config }) => source in config.sources)
    return { outcome: 'retired', buffered: outlet.recordsBuffered, pipeline: named?.config.pipeline ?? null }
  }

  /** Ends a freeze, or a retirement, for which nobody but this gateway has to be asked until the core has heard of it. */
  async #resume(source: string): Promise<Resumed | { readonly outcome: 'resumed' }> {
    const standing = this.#retired.standingOf(source)
    const resumed = standing === 'leaving' ? { outcome: 'resumed' as const } : await this.#link.resume(source)
    if (resumed.outcome === 'resumed' && standing !== 'read') {
      this.#retired.remove(source)
      await this.#apply()
    }
    return resumed
  }

  #unknown(source: string): HeadraceError {
    const known = this.#buffer.outlets().map(outlet => outlet.source)
    return new HeadraceError('not_found', `there is no source "${source}" on this gateway`, {
      advice: `Known: ${known.join(', ')}.`,
    })
  }

  /** A changed configuration could not be taken over: what runs goes on. */
  refused(why: string): void {
    this.#alarms.raise(CONFIG_REFUSED, configRefused(why))
  }

  /** Stops reading, commits, settles what can be settled within a few seconds, closes. */
  async stop(): Promise<void> {
    await this.stopReading()
    this.#flow.stop()
    this.#stalls.stop()
    await this.#analysers.stop()
    await this.#link.stop()
    await this.#buffer.close()
    await this.#tracing?.stop()
    await this.#console?.stop()
    await this.#control.stop()
  }

  /** What a watchdog looks at: the loop that commits, the one that sends, and those that read. */
  get vitals(): readonly Vital[] {
    return [
      { part: 'buffer', check: () => this.#buffer.answered().then(() => undefined) },
      { part: 'link', check: () => stillFor(this.#link.sinceTurnMs, TURN_WITHIN_MS) },
      { part: 'sources', check: () => this.#stalls.standing() },
    ]
  }

  /** What the control socket answers. */
  get calls(): ControlCalls {
    return this.#calls
  }

  status(): EdgeStatus {
    return edgeStatus({
      gateway: this.#config.gateway,
      link: this.#link.status(),
      buffer: this.#buffer,
      sources: this.#sources,
      retired: this.#retired,
      analysers: this.#analysers,
      alarms: this.#alarms,
    })
  }

  async *#capture(source: string, signal: AbortSignal): AsyncGenerator<CaptureHead | CaptureItem> {
    const entry = this.#sources.get(source)
    if (!entry) {
      throw new HeadraceError('not_found', `no source "${source}" runs on this gateway`, {
        advice: `Known: ${this.#sources.names.join(', ')}.`,
      })
    }
    const { runner } = entry
    const started = new Date(systemClock.wallMs()).toISOString()
    yield { headrace_capture: 1, source: `${this.#config.gateway}/${source}`, gives: runner.gives, started }
    yield* capture(tap => runner.tap(tap), systemClock, signal)
  }

  #makeCalls() {
    return {
      status: async () => this.status(),
      metrics: async () => edgeMetrics(this.status()),
      ...this.#analysers.calls(),
      'source.list': async () => this.status().sources,
      'source.capture': (args: Readonly<Record<string, unknown>>, signal: AbortSignal) =>
        this.#capture(String(args['source']), signal),
      'source.resume': async (args: Readonly<Record<string, unknown>>) => this.#resume(String(args['source'])),
      'source.retire': async (args: Readonly<Record<string, unknown>>) => this.#retire(String(args['source'])),
    }
  }
}

/** Only where records are followed it is loaded. */
async function tracingTo(traces: NonNullable<EdgeConfig['traces']>, gateway: string, log: Logger): Promise<Tracing> {
  const { Tracing } = await import('./tracing.ts')
  return new Tracing(traces, { service: 'headrace-edge', instance: gateway, logger: log })
}
