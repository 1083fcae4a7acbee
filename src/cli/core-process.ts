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
import type { RunResult } from '../reader/batch/runner.ts'
import { Ledger } from '../reader/ledger.ts'
import { AlertBook } from '../reader/realtime/alert-book.ts'
import { orSetAside } from '../reader/realtime/set-aside.ts'
import { isStateTopic } from '../reader/realtime/shard-log.ts'
import { tail } from '../reader/tail.ts'
import { Alarms } from '../runtime/alarms.ts'
import { systemClock } from '../runtime/clock.ts'
import { makeFolderDurably } from '../runtime/durable-folder.ts'
import { HeadraceError, messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import { matchesSource, parseSourceKey, sourceKey } from '../runtime/names.ts'
import { stillFor, type Vital } from '../runtime/watchdog.ts'
import { alertCalls } from './alert-calls.ts'
import { CoreAuthority } from './authority.ts'
import { batchCalls } from './batch-calls.ts'
import { CoreReaders, type ReaderChanges } from './core-readers.ts'
import { atGateway, gatewayView, pipelineView, standingJson } from './core-views.ts'
import { createIngress } from './create-ingress.ts'
import { deadCalls } from './dead-calls.ts'
import { gatewayCalls } from './gateway-calls.ts'
import { partitionCalls } from './partition-calls.ts'
import { CONFIG_REFUSED, configRefused } from './pipeline-reload.ts'
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
  readonly readers: CoreReaders
  readonly ledger: Ledger
  readonly alarms: Alarms
  readonly lock: StateLock
  readonly logger: Logger
  readonly book: AlertBook
  readonly tracing: Tracing | undefined
}

/** The core: ingress → log → batch jobs and analysers. */
export class CoreProcess {
  readonly #parts: Parts
  readonly #control: ControlServer
  #console: Console | undefined
  readonly #calls: ControlCalls
  #config: CoreConfig
  #pipelines: readonly LoadedPipeline[]
  /** Where the console is served; undefined where it is not. */
  consoleUrl: string | undefined

  private constructor(parts: Parts, pipelines: readonly LoadedPipeline[]) {
    this.#parts = parts
    const { config, logger } = parts
    this.#config = config
    this.#pipelines = pipelines
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
      // The embedded log has one core.
      const bookOptions = {
        shares: config.log.kafka !== undefined,
        onUnwritten: (error: unknown) => logger.error({}, `alerts could not be written down: ${messageOf(error)}`),
      }
      const openBook = (path: string) => new AlertBook(path, clock, bookOptions)
      const book = orSetAside(join(stateDir, 'alerts.db'), openBook, { clock, alarms, log: logger })
      open.unshift(book)
      const tracing = config.traces && new Tracing(config.traces, { service: 'headrace-core', instance: config.name, logger })
      const onRun = (job: string, result: RunResult) => {
        if (result.outcome === 'done') tracing?.ran(result.run)
        events.onRun?.(job, result)
      }
      const runs = { batch: config.batch, analysers: config.analysers }
      const { onAlert } = events
      const readers = await CoreReaders.open({ ...deps, runs, book, tracing, onRun, ...(onAlert && { onAlert }) }, pipelines)
      const { engine, id } = await log.identity()
      const authority = await CoreAuthority.open(config, log, logger, alarms)
      if (authority) open.unshift({ close: () => authority.stop() })
      const around = { stateDir, log, logger, alarms, authority, tracing }
      const ingress = config.ingress && createIngress(config, config.ingress, around)
      const core = new CoreProcess(
        { config, log, engine, identity: id, ingress, authority, readers, ledger, alarms, lock, logger, book, tracing },
        pipelines,
      )
      await core.#control.start()
      open.unshift({ close: () => core.#control.stop() })
      core.#console = await core.#makeConsole()
      core.consoleUrl = await core.#console?.start()
      await ingress?.start()
      authority?.start(tls => ingress?.renewTls(tls))
      readers.start()
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

  /** Patterns of the pipeline files, as core.yaml has them. */
  get pipelinePatterns(): readonly string[] {
    return this.#config.pipelines
  }

  /** Takes over other pipelines while it runs. What else core.yaml says holds from the next start on. */
  async reload(config: CoreConfig, pipelines: readonly LoadedPipeline[]): Promise<ReaderChanges> {
    const { readers, alarms, logger } = this.#parts
    const rest = ({ pipelines: _pipelines, ...others }: CoreConfig) => JSON.stringify(others)
    if (rest(config) !== rest(this.#config))
      logger.warn({}, 'core.yaml has changed beside its pipelines: that holds from the next start on')
    const changes = await readers.apply(pipelines)
    this.#pipelines = pipelines
    this.#config = { ...this.#config, pipelines: config.pipelines }
    alarms.clear(CONFIG_REFUSED)
    logger.info(changes, 'the changed pipelines are taken over')
    return changes
  }

  /** A changed configuration could not be taken over: what runs goes on. */
  refused(why: string): void {
    this.#parts.alarms.raise(CONFIG_REFUSED, configRefused(why))
  }

  async stop(): Promise<void> {
    const { ingress, authority, readers, ledger, book, log, lock } = this.#parts
    await Promise.allSettled([ingress?.stop(), readers.stop()])
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
    const { ingress, readers, alarms, engine, identity } = this.#parts
    const { scheduler, analysers } = readers
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
        fields: claim.fields ?? {},
        retired: claim.retiredMs === undefined ? null : new Date(claim.retiredMs).toISOString(),
        at_gateway: atGateway(standings.get(claim.source.gateway), claim.source.source),
      }
    })
  }

  /** What a watchdog looks at: the loops that append, and the one that finds jobs due. A log that is away is not one of them. */
  get vitals(): readonly Vital[] {
    const { ingress, readers } = this.#parts
    const { scheduler } = readers
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
    const { readers, ledger, log, ingress, book } = this.#parts
    const { scheduler } = readers
    return {
      status: async () => this.status(),
      metrics: async () => coreMetrics(await this.status()),
      where: async (args: Readonly<Record<string, unknown>>) => whereInLog({ log, scheduler, ledger }, args),
      tail: (args: Readonly<Record<string, unknown>>, signal: AbortSignal) =>
        this.#tail(String(args['source']), Number(args['last'] ?? 0), signal),
      'ca.changed': async () => ({ others: (await this.#parts.authority?.desk.spread()) ?? 'alone' }),
      ...gatewayCalls(ingress),
      ...alertCalls(book),
      pipelines: async () => this.#pipelines.map(pipelineView),
      'source.list': async () => this.#sources(),
      'source.retire': async (args: Readonly<Record<string, unknown>>) => this.#retire(String(args['source'])),
      ...batchCalls(scheduler, ledger, log),
      ...deadCalls(log),
      ...partitionCalls({ log, ledger, now: () => ({ jobs: scheduler.jobs, pipelines: this.#pipelines }) }),
    }
  }

  /** For a source whose gateway is gone: one that is there ends what it reads itself, and what it has buffered still comes. */
  async #retire(key: string) {
    const { log, ingress } = this.#parts
    const source = parseSourceKey(key)
    if (!source) {
      throw new HeadraceError('not_found', `"${key}" names no source of a gateway`, { advice: 'Write it as <gateway>/<source>.' })
    }
    if (ingress?.status().gateways.some(({ gateway }) => gateway === source.gateway)) {
      throw new HeadraceError('claim_refused', `${source.gateway} is connected`, {
        advice: `Retire it there: \`headrace source retire ${source.source}\`. What is buffered of it then still comes.`,
      })
    }
    const claim = await log.retire(source)
    return { outcome: 'retired', topic: claim.topic, partition: claim.partition }
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
