import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Alert } from '../analyser/analyser.ts'
import { StateLock } from '../buffer/state-lock.ts'
import type { CoreConfig } from '../config/core.ts'
import type { LoadedPipeline } from '../config/load.ts'
import { Console } from '../console/console.ts'
import { type ControlCalls, ControlServer } from '../console/control-server.ts'
import { coreMetrics } from '../console/metrics.ts'
import type { Ingress } from '../ingress/ingress.ts'
import type { Claim, Log } from '../log/log.ts'
import { openLog } from '../log/open.ts'
import type { RunResult } from '../reader/batch/runner.ts'
import { Ledger } from '../reader/ledger.ts'
import { isStateTopic } from '../reader/realtime/shard-log.ts'
import { tail } from '../reader/tail.ts'
import { Alarms } from '../runtime/alarms.ts'
import { systemClock } from '../runtime/clock.ts'
import { HeadraceError } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import { matchesSource, parseSourceKey, sourceKey } from '../runtime/names.ts'
import { batchCalls } from './batch-calls.ts'
import { CoreReaders, type ReaderChanges } from './core-readers.ts'
import { pipelineView, RecentAlerts } from './core-views.ts'
import { createIngress } from './create-ingress.ts'
import { CONFIG_REFUSED, configRefused } from './pipeline-reload.ts'
import { controlPath } from './state-paths.ts'
import { VERSION } from './version.ts'
import { whereInLog } from './where-in-log.ts'

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
  readonly readers: CoreReaders
  readonly ledger: Ledger
  readonly alarms: Alarms
  readonly lock: StateLock
  readonly logger: Logger
  readonly alerts: RecentAlerts
}

/** The core: ingress → log → batch jobs and analysers. */
export class CoreProcess {
  readonly #parts: Parts
  readonly #control: ControlServer
  readonly #console: Console | undefined
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
    this.#console =
      config.console &&
      new Console({
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
    mkdirSync(stateDir, { recursive: true, mode: 0o750 })
    const lock = StateLock.take(stateDir)
    const clock = systemClock
    const alarms = new Alarms(clock)
    const open: { close(): unknown }[] = [{ close: () => lock.release() }]
    try {
      const log = await openLog(config.log, { stateDir, clock, random: Math.random, log: logger.child({ part: 'log' }) })
      open.unshift(log)
      const ledgerPath = join(stateDir, 'readers.db')
      const ledger = parts.openLedger?.(ledgerPath) ?? new Ledger(ledgerPath)
      open.unshift(ledger)
      const deps = { log, ledger, clock, random: Math.random, logger, alarms, name: config.name, stateDir }
      const alerts = new RecentAlerts()
      const onAlert = (alert: Alert) => {
        alerts.add(alert)
        events.onAlert?.(alert)
      }
      const runs = { batch: config.batch, analysers: config.analysers }
      const readers = await CoreReaders.open({ ...deps, runs, ...(events.onRun && { onRun: events.onRun }), onAlert }, pipelines)
      const { engine, id } = await log.identity()
      const ingress = config.ingress && createIngress(config, config.ingress, { stateDir, log, logger, alarms })
      const core = new CoreProcess(
        { config, log, engine, identity: id, ingress, readers, ledger, alarms, lock, logger, alerts },
        pipelines,
      )
      await core.#control.start()
      open.unshift({ close: () => core.#control.stop() })
      core.consoleUrl = await core.#console?.start()
      await ingress?.start()
      readers.start()
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
    const { ingress, readers, ledger, log, lock } = this.#parts
    await Promise.allSettled([ingress?.stop(), readers.stop()])
    await this.#console?.stop()
    await this.#control.stop()
    ledger.close()
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
      gateways: (taken?.gateways ?? []).map(({ gateway, session, since }) => ({ gateway, session: String(session), since })),
      sources: await this.#sources(),
      jobs: await scheduler.status(),
      analysers: analysers.status(),
      analyser_shards: analysers.shards,
      alarms: alarms.list(),
    }
  }

  async #sources() {
    const { log } = this.#parts
    const claims = (await log.claims()).filter(claim => !isStateTopic(claim.topic))
    const ends = await log.ends(claims)
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
      }
    })
  }

  /** What the control socket answers. */
  get calls(): ControlCalls {
    return this.#calls
  }

  #makeCalls() {
    const { readers, ledger, log, ingress, alerts } = this.#parts
    const { scheduler } = readers
    return {
      status: async () => this.status(),
      metrics: async () => coreMetrics(await this.status()),
      where: async (args: Readonly<Record<string, unknown>>) => whereInLog({ log, scheduler, ledger }, args),
      tail: (args: Readonly<Record<string, unknown>>, signal: AbortSignal) =>
        this.#tail(String(args['source']), Number(args['last'] ?? 0), signal),
      'gateway.forget': async (args: Readonly<Record<string, unknown>>) => ingress?.forget(String(args['gateway'])),
      alerts: async () => alerts.list(),
      pipelines: async () => this.#pipelines.map(pipelineView),
      'source.list': async () => this.#sources(),
      'source.retire': async (args: Readonly<Record<string, unknown>>) => this.#retire(String(args['source'])),
      ...batchCalls(scheduler, ledger, log),
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
