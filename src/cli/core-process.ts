import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { listen } from '../amqp/listen.ts'
import type { Alert } from '../analyser/analyser.ts'
import { StateLock } from '../buffer/state-lock.ts'
import type { CoreConfig } from '../config/core.ts'
import type { LoadedPipeline } from '../config/load.ts'
import { ControlServer } from '../console/control-server.ts'
import { HttpStatus } from '../console/http-status.ts'
import { coreMetrics } from '../console/metrics.ts'
import { identityRule } from '../ingress/identity.ts'
import { Ingress } from '../ingress/ingress.ts'
import type { Claim, Log } from '../log/log.ts'
import { openLog } from '../log/open.ts'
import type { RunResult } from '../reader/batch/job.ts'
import type { BatchScheduler } from '../reader/batch/scheduler.ts'
import { Ledger } from '../reader/ledger.ts'
import type { AnalyserRunner } from '../reader/realtime/runner.ts'
import { tail } from '../reader/tail.ts'
import { Alarms } from '../runtime/alarms.ts'
import { systemClock } from '../runtime/clock.ts'
import { HeadraceError } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import { matchesSource, sourceKey } from '../runtime/names.ts'
import { batchCalls } from './batch-calls.ts'
import { createAnalysers, createScheduler } from './readers.ts'
import { controlPath } from './state-paths.ts'
import { readTlsMaterial } from './tls-material.ts'
import { VERSION } from './version.ts'
import { whereInLog } from './where-in-log.ts'

export interface CoreEvents {
  readonly onRun?: (job: string, result: RunResult) => void
  readonly onAlert?: (alert: Alert) => void
}

interface Parts {
  readonly config: CoreConfig
  readonly log: Log
  readonly identity: string
  readonly engine: string
  readonly ingress: Ingress | undefined
  readonly scheduler: BatchScheduler
  readonly analysers: AnalyserRunner
  readonly ledger: Ledger
  readonly alarms: Alarms
  readonly lock: StateLock
  readonly logger: Logger
}

/** The core: ingress → log → batch jobs and analysers. */
export class CoreProcess {
  readonly #parts: Parts
  readonly #control: ControlServer
  readonly #http: HttpStatus | undefined
  /** Where HTTP status is served; undefined where it is not. */
  httpUrl: string | undefined

  private constructor(parts: Parts) {
    this.#parts = parts
    this.#control = new ControlServer(controlPath(parts.config.state, 'core'), this.#calls(), parts.logger)
    this.#http = parts.config.console && new HttpStatus(parts.config.console.listen, () => this.status())
  }

  static async start(
    config: CoreConfig,
    pipelines: readonly LoadedPipeline[],
    logger: Logger,
    events: CoreEvents = {},
  ): Promise<CoreProcess> {
    if (config.ingress?.connect !== undefined) {
      throw new HeadraceError('config_invalid', 'an ingress that connects to a router or broker is not there yet', {
        advice: 'Use ingress: { listen: … }.',
      })
    }
    const stateDir = join(config.state, 'core')
    mkdirSync(stateDir, { recursive: true, mode: 0o750 })
    const lock = StateLock.take(stateDir)
    const clock = systemClock
    const alarms = new Alarms(clock)
    const open: { close(): unknown }[] = [{ close: () => lock.release() }]
    try {
      const log = await openLog(config.log, { stateDir, clock, random: Math.random, log: logger.child({ part: 'log' }) })
      open.unshift(log)
      const ledger = new Ledger(join(stateDir, 'readers.db'))
      open.unshift(ledger)
      const deps = { log, ledger, clock, random: Math.random, logger, alarms, name: config.name }
      const scheduler = createScheduler(config.batch ? pipelines : [], { ...deps, ...(events.onRun && { onRun: events.onRun }) })
      const analysers = createAnalysers(config.analysers ? pipelines : [], {
        ...deps,
        ...(events.onAlert && { onAlert: events.onAlert }),
      })
      const { engine, id } = await log.identity()
      const ingress = config.ingress && createIngress(config, log, logger, alarms)
      const core = new CoreProcess({
        config,
        log,
        engine,
        identity: id,
        ingress,
        scheduler,
        analysers,
        ledger,
        alarms,
        lock,
        logger,
      })
      await core.#control.start()
      open.unshift({ close: () => core.#control.stop() })
      core.httpUrl = await core.#http?.start()
      await ingress?.start()
      scheduler.start()
      analysers.start()
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
    const { ingress, scheduler, analysers, ledger, log, lock } = this.#parts
    await Promise.allSettled([ingress?.stop(), scheduler.stop(), analysers.stop()])
    await this.#http?.stop()
    await this.#control.stop()
    ledger.close()
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
      gateways: (taken?.gateways ?? []).map(({ gateway, session, since }) => ({ gateway, session: String(session), since })),
      sources: await this.#sources(),
      jobs: await scheduler.status(),
      analysers: analysers.status(),
      alarms: alarms.list(),
    }
  }

  async #sources() {
    const { log } = this.#parts
    const claims = await log.claims()
    const ends = await log.ends(claims)
    return claims.map(claim => {
      const end = ends.get(claim)
      return {
        source: sourceKey(claim.source),
        topic: claim.topic,
        partition: claim.partition,
        first: end?.first ?? null,
        next: end?.next ?? null,
      }
    })
  }

  #calls() {
    const { scheduler, ledger, log, ingress } = this.#parts
    return {
      status: async () => this.status(),
      metrics: async () => coreMetrics(await this.status()),
      where: async (args: Readonly<Record<string, unknown>>) => whereInLog(this.#parts, args),
      tail: (args: Readonly<Record<string, unknown>>, signal: AbortSignal) =>
        this.#tail(String(args['source']), Number(args['last'] ?? 0), signal),
      'gateway.forget': async (args: Readonly<Record<string, unknown>>) => ingress?.forget(String(args['gateway'])),
      ...batchCalls(scheduler, ledger, log),
    }
  }

  async *#tail(glob: string, last: number, signal: AbortSignal) {
    const { log } = this.#parts
    const claims = (await log.claims()).filter((claim: Claim) => matchesSource(glob, claim.source))
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

function createIngress(config: CoreConfig, log: Log, logger: Logger, alarms: Alarms): Ingress {
  const { listen: url = '', tls } = config.ingress ?? {}
  const material = tls && readTlsMaterial(tls)
  return new Ingress({
    name: config.name,
    log,
    listen: handlers =>
      listen({ url, containerId: config.name, ...(material && { tls: material }), clock: systemClock, log: logger }, handlers),
    mayWrite: identityRule(tls?.ca === undefined ? 'optional' : 'required'),
    clock: systemClock,
    random: Math.random,
    logger,
    alarms,
  })
}
