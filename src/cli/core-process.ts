import { join } from 'node:path'
import type { Alert } from '../analyser/analyser.ts'
import { StateLock } from '../buffer/state-lock.ts'
import type { CoreConfig } from '../config/core.ts'
import type { LoadedPipeline } from '../config/load.ts'
import type { Console } from '../console/console.ts'
import { type ControlCalls, ControlServer } from '../console/control-server.ts'
import { coreMetrics } from '../console/metrics.ts'
import type { Ingress } from '../ingress/ingress.ts'
import type { Claim, Log } from '../log/log.ts'
import { openLog } from '../log/open.ts'
import type { Retention } from '../reader/batch/retention.ts'
import type { RunResult } from '../reader/batch/runner.ts'
import type { BatchScheduler } from '../reader/batch/scheduler.ts'
import { Ledger } from '../reader/ledger.ts'
import { AlertBook } from '../reader/realtime/alert-book.ts'
import type { AnalyserRunner } from '../reader/realtime/runner.ts'
import { isStateTopic } from '../reader/realtime/shard-log.ts'
import type { SilenceWatch } from '../reader/realtime/silencing.ts'
import { tail } from '../reader/tail.ts'
import { Alarms } from '../runtime/alarms.ts'
import { systemClock } from '../runtime/clock.ts'
import { makeFolderDurably } from '../runtime/durable-folder.ts'
import { HeadraceError } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import { matchesSource, sourceKey } from '../runtime/names.ts'
import { stillFor, type Vital } from '../runtime/watchdog.ts'
import { alertCalls } from './alert-calls.ts'
import { CoreAuthority } from './authority.ts'
import { batchCalls } from './batch-calls.ts'
import { atGateway, gatewayView, pipelineView, standingJson } from './core-views.ts'
import { createIngress } from './create-ingress.ts'
import { deadCalls } from './dead-calls.ts'
import { partitionCalls } from './partition-calls.ts'
import { createAnalysers, createRetention, createScheduler } from './readers.ts'
import { controlPath } from './state-paths.ts'
import { Tracing } from './tracing.ts'
import { VERSION } from './version.ts'
import { whereInLog } from './where-in-log.ts'

/** The log's own limits are below this: one step of a gate that takes longer, ms, does not end any more. */
const STEP_WITHIN_MS = 180_000
/** The scheduler looks twice a second; a look may take long on a slow disk. */
const LOOK_WITHIN_MS = 60_000

export interface CoreEvents {
  readonly onRun?: (job: string, result: RunResult) => void
  readonly onAlert?: (alert: Alert) => void
}

/** Parts of a core that a test hands in broken, to show what the whole is worth without them. */
export interface CoreParts {
  readonly openLedger?: (path: string) => Ledger
}

interface Parts {
  readonly config: CoreConfig
  readonly log: Log
  readonly identity: string
  readonly engine: string
  readonly ingress: Ingress | undefined
  readonly authority: CoreAuthority | undefined
  readonly scheduler: BatchScheduler
  readonly retention: Retention
  readonly analysers: AnalyserRunner
  readonly ledger: Ledger
  readonly alarms: Alarms
  readonly lock: StateLock
  readonly logger: Logger
  readonly book: AlertBook
  readonly silences: SilenceWatch
  readonly tracing: Tracing | undefined
  readonly pipelines: readonly LoadedPipeline[]
}

/** The core: ingress → log → batch jobs and analysers. */
export class CoreProcess {
  readonly #parts: Parts
  readonly #control: ControlServer
  #console: Console | undefined
  readonly #calls: ControlCalls
  /** Where the console is served; undefined where it is not. */
  consoleUrl: string | undefined

  private constructor(parts: Parts) {
    this.#parts = parts
    const { config, logger } = parts
    this.#calls = this.#makeCalls()
    this.#control = new ControlServer(controlPath(config.state, 'core'), this.#calls, logger)
  }

  /** Only where there is one it is loaded: it takes its time and memory. */
  async #makeConsole(): Promise<Console | undefined> {
    const { config, logger } = this.#parts
    if (!config.console) return undefined
    const { Console } = await import('../console/console.ts')
    return new Console({
      options: config.console,
      stateDir: join(config.state, 'core'),
      sides: { core: this.#calls },
      version: VERSION,
      clock: systemClock,
      logger: logger.child({ part: 'console' }),
    })
  }

  static async start(
    config: CoreConfig,
    pipelines: readonly LoadedPipeline[],
    logger: Logger,
    events: CoreEvents = {},
    parts: CoreParts = {},
  ): Promise<CoreProcess> {
    const stateDir = join(config.state, 'core')
    makeFolderDurably(stateDir, 0o750)
    const lock = StateLock.take(stateDir)
    const clock = systemClock
    const alarms = new Alarms(clock)
    const open: { close(): unknown }[] = [{ close: () => lock.release() }]
    try {
      const log = await openLog(config.log, { stateDir, clock, random: Math.random, log: logger.child({ part: 'log' }), alarms })
      open.unshift(log)
      const ledgerPath = join(stateDir, 'readers.db')
      const ledger = parts.openLedger?.(ledgerPath) ?? new Ledger(ledgerPath)
      open.unshift(ledger)
      const deps = { log, ledger, clock, random: Math.random, logger, alarms, name: config.name, stateDir }
      const book = new AlertBook(join(stateDir, 'alerts.db'), clock)
      open.unshift(book)
      const tracing = config.traces && new Tracing(config.traces, { service: 'headrace-core', instance: config.name, logger })
      const onRun = (job: string, result: RunResult) => {
        if (result.outcome === 'done') tracing?.ran(result.run)
        events.onRun?.(job, result)
      }
      const scheduler = createScheduler(config.batch ? pipelines : [], { ...deps, onRun })
      const retention = createRetention(config.batch ? pipelines : [], scheduler.jobs, deps)
      const { runner: analysers, silences } = await createAnalysers(config.analysers ? pipelines : [], {
        ...deps,
        book,
        tracing,
        ...(events.onAlert && { onAlert: events.onAlert }),
      })
      const { engine, id } = await log.identity()
      const authority = await CoreAuthority.open(config, logger, alarms)
      if (authority) open.unshift({ close: () => authority.stop() })
      const around = { stateDir, log, logger, alarms, authority, tracing }
      const ingress = config.ingress && createIngress(config, config.ingress, around)
      const core = new CoreProcess({
        config,
        log,
        engine,
        identity: id,
        ingress,
        authority,
        scheduler,
        retention,
        analysers,
        ledger,
        alarms,
        lock,
        logger,
        book,
        silences,
        tracing,
        pipelines,
      })
      await core.#control.start()
      open.unshift({ close: () => core.#control.stop() })
      core.#console = await core.#makeConsole()
      core.consoleUrl = await core.#console?.start()
      await ingress?.start()
      authority?.start(tls => ingress?.renewTls(tls))
      scheduler.start()
      retention.start()
      analysers.start()
      silences.start()
      tracing?.start()
      return core
    } catch (error) {
      for (const part of open) await part.close()
      throw error
    }
  }

  /** Where gateways come in. */
  get url(): string | undefined {
    return this.#parts.ingress?.status().url
  }

  async stop(): Promise<void> {
    const { ingress, authority, scheduler, retention, analysers, silences, ledger, book, log, lock } = this.#parts
    await Promise.allSettled([ingress?.stop(), scheduler.stop(), retention.stop(), silences.stop(), analysers.stop()])
    await this.#parts.tracing?.stop()
    await this.#console?.stop()
    await this.#control.stop()
    authority?.stop()
    ledger.close()
    book.close()
    await log.close()
    lock.release()
  }

  async status() {
    const { ingress, scheduler, analysers, alarms, engine, identity } = this.#parts
    const taken = ingress?.status()
    return {
      version: VERSION,
      role: 'core' as const,
      running: true,
      log: { engine, identity },
      gateways: (taken?.gateways ?? []).map(gatewayView),
      reports: (ingress?.reports() ?? []).map(standingJson),
      sources: await this.#sources(),
      jobs: await scheduler.status(),
      analysers: analysers.status(),
      analyser_shards: analysers.shards,
      alarms: alarms.list(),
    }
  }

  async #sources() {
    const { log, ingress } = this.#parts
    const claims = (await log.claims()).filter(claim => !isStateTopic(claim.topic))
    const ends = await log.ends(claims)
    const standings = new Map((ingress?.reports() ?? []).map(standing => [standing.gateway, standing]))
    return claims.map(claim => {
      const end = ends.get(claim)
      return {
        source: sourceKey(claim.source),
        topic: claim.topic,
        partition: claim.partition,
        first: end?.first ?? null,
        next: end?.next ?? null,
        at_gateway: atGateway(standings.get(claim.source.gateway), claim.source.source),
      }
    })
  }

  /** What a watchdog looks at: the loops that append, and the one that finds jobs due. A log that is away is not one of them. */
  get vitals(): readonly Vital[] {
    const { ingress, scheduler } = this.#parts
    return [
      { part: 'ingress', check: () => stillFor(ingress?.atOneStepMs ?? 0, STEP_WITHIN_MS) },
      { part: 'scheduler', check: () => stillFor(scheduler.sinceLookMs, LOOK_WITHIN_MS) },
    ]
  }

  /** What the control socket answers. */
  get calls(): ControlCalls {
    return this.#calls
  }

  #makeCalls() {
    const { scheduler, ledger, log, ingress, book } = this.#parts
    return {
      status: async () => this.status(),
      metrics: async () => coreMetrics(await this.status()),
      where: async (args: Readonly<Record<string, unknown>>) => whereInLog(this.#parts, args),
      tail: (args: Readonly<Record<string, unknown>>, signal: AbortSignal) =>
        this.#tail(String(args['source']), Number(args['last'] ?? 0), signal),
      'ca.changed': async () => this.#parts.authority?.desk.changed(),
      'gateway.forget': async (args: Readonly<Record<string, unknown>>) => ingress?.forget(String(args['gateway'])),
      ...alertCalls(book),
      pipelines: async () => this.#parts.pipelines.map(pipelineView),
      ...batchCalls(scheduler, ledger, log),
      ...deadCalls(log),
      ...partitionCalls({ log, ledger, jobs: scheduler.jobs, pipelines: this.#parts.pipelines }),
    }
  }

  async *#tail(glob: string, last: number, signal: AbortSignal) {
    const { log } = this.#parts
    const claims = (await log.claims()).filter((claim: Claim) => !isStateTopic(claim.topic) && matchesSource(glob, claim.source))
    if (claims.length === 0) {
      throw new HeadraceError('not_found', `no source in the log fits "${glob}"`, {
        advice: 'See "headrace status" for those that do.',
      })
    }
    for await (const record of tail(log, claims, { last, signal })) {
      yield {
        gateway: record.source.gateway,
        source: record.source.source,
        seq: record.sequence,
        time_ms: record.timeMs,
        value_base64: record.value?.toString('base64') ?? null,
        headers: Object.fromEntries(record.headers.map(({ key, value }) => [key, value.toString('utf8')])),
      }
    }
  }
}
