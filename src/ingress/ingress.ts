import type { Connection, Listener, ListenHandlers } from '../amqp/amqp.ts'
import type { OpenRequest } from '../amqp/messages.ts'
import type { Log } from '../log/log.ts'
import type { Alarms } from '../runtime/alarms.ts'
import { type Clock, pause } from '../runtime/clock.ts'
import type { Logger } from '../runtime/logger.ts'
import { sourceKey } from '../runtime/names.ts'
import { SparingLog } from '../runtime/sparing-log.ts'
import { BrokerEntrance } from './broker-entrance.ts'
import { DeadLetters } from './dead-letters.ts'
import type { Upstream } from './dialler.ts'
import { DirectEntrance } from './direct-entrance.ts'
import type { Entrance } from './entrance.ts'
import type { GateDeps } from './gate.ts'
import { Gates } from './gates.ts'
import { GatewaySession, type GatewaySessionDeps } from './gateway-session.ts'
import { type Identities, QuestionDesk } from './identities.ts'
import type { IdentityRule } from './identity.ts'
import { INGRESS_LIMITS, type IngressLimits } from './limits.ts'
import { Openings } from './openings.ts'
import type { Parking } from './parking.ts'
import type { QuotaOptions } from './quota-options.ts'
import { type QuotaStatus, Quotas } from './quotas.ts'
import { GatewayReports, type GatewayStanding } from './reports.ts'
import { RouterEntrance } from './router-entrance.ts'
import { SessionTable } from './session-table.ts'
import { StoredLanes } from './stored-lanes.ts'

/** How long a stop waits for answers of the log, ms. */
const STOP_SETTLE_MS = 3_000

export interface IngressDeps {
  /** Name of this core, for what it writes by itself. Two cores on one log have two names. */
  readonly name: string
  readonly log: Log
  /** Direct mode: listens for gateways. */
  readonly listen?: (handlers: ListenHandlers) => Promise<Listener>
  /** Gateways come through routers. */
  readonly routers?: readonly Upstream[]
  /** Gateways come through brokers that store and forward; what waits for missing numbers is parked. */
  readonly brokers?: { readonly upstreams: readonly Upstream[]; readonly parking: Parking; readonly fillAfterMs?: FillAfterMs }
  readonly mayWrite: IdentityRule
  /** What gateways may send and have; without it nothing limits them. */
  readonly quotas?: QuotaOptions | undefined
  /** Where the core has an authority. */
  readonly identities?: Identities | undefined
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly logger: Logger
  readonly alarms: Alarms
  /** {@link INGRESS_LIMITS}, unless set. */
  readonly limits?: IngressLimits
  /** The rule of the gates; another one only where a test breaks it on purpose. */
  readonly standing?: GateDeps['standing']
  readonly newSuspicion?: GateDeps['newSuspicion']
  /** What is looked at before a batch is passed on; less only where a test breaks the rule on purpose. */
  readonly check?: GatewaySessionDeps['check']
}

/**
 * Numbers that a gateway has no more are given up when they were missing for so long, ms: sooner where every broker is connected, so that they can lie
 * in none of them unread.
 */
export interface FillAfterMs {
  readonly connected: number
  readonly most: number
}
const NO_QUOTAS: QuotaOptions = { default: {}, gateways: {} }
const FILL_AFTER_MS: FillAfterMs = { connected: 10_000, most: 600_000 }

export interface IngressStatus {
  /** Where it listens; absent before it is started. */
  readonly url: string | undefined
  readonly gateways: readonly {
    readonly gateway: string
    readonly session: number
    readonly since: string
    readonly quota: QuotaStatus
  }[]
  /** `next`: the end of the partition as it was last seen. */
  readonly sources: readonly {
    readonly source: string
    readonly topic: string
    readonly partition: number
    readonly next: number
  }[]
}

/**
 * The core's end of the interconnect: takes openings and batches from gateways and hands each batch to the gate of its partition. It remembers nothing
 * that it could not read again from the log; any number of them may run beside it.
 *
 *   gateway ═► entrance ─► session (checks) ─► gate (what is next, on proof) ─► log
 */
export class Ingress {
  readonly #deps: IngressDeps
  readonly #limits: IngressLimits
  readonly #logger: Logger
  readonly #stopping = new AbortController()
  readonly #sessions = new SessionTable()
  readonly #gates: Gates
  readonly #reports: GatewayReports
  readonly #openings: Openings
  readonly #quotas: Quotas
  /** Of each gateway that was let in. */
  readonly #warnings = new Map<string, SparingLog>()
  readonly #entrances: readonly Entrance[]

  constructor(deps: IngressDeps) {
    const { log, mayWrite, clock, random, alarms } = deps
    const logger = deps.logger.child({ part: 'ingress' })
    const signal = this.#stopping.signal
    const limits = deps.limits ?? INGRESS_LIMITS
    this.#deps = deps
    this.#limits = limits
    this.#logger = logger
    const deadLetters = new DeadLetters({
      log,
      writer: { gateway: deps.name, source: 'headrace-dead' },
      clock,
      logger,
      alarms,
      signal,
    })
    const { standing, newSuspicion, identities } = deps
    const rules = { ...(standing && { standing }), ...(newSuspicion && { newSuspicion }) }
    this.#gates = new Gates({
      log,
      clock,
      random,
      logger,
      alarms,
      deadLetters,
      signal,
      waitingMax: limits.waitingAtGate,
      ...rules,
    })
    this.#quotas = new Quotas(deps.quotas ?? NO_QUOTAS, clock)
    const reports = new GatewayReports(clock)
    this.#reports = reports
    const newSession = this.#newSession.bind(this)
    this.#openings = new Openings({
      log,
      gates: this.#gates,
      sessions: this.#sessions,
      mayWrite,
      identities,
      newSession,
      reports,
      clock,
      logger,
      limits,
    })
    identities?.onChange(() => this.#closeBarred(identities))
    this.#entrances = this.#newEntrances(logger)
  }

  /** Rejects where it cannot listen. */
  async start(): Promise<void> {
    for (const entrance of this.#entrances) {
      await entrance.start({
        opening: request => this.#openings.take(request),
        newest: gateway => this.#sessions.newest(gateway),
        takenOver: (gateway, session) => this.#sessions.takenOver(gateway, session),
      })
      this.#logger.info({ url: entrance.url }, 'takes gateways')
    }
  }

  /** Takes nothing more, settles what the log answers within a few seconds, closes. */
  async stop(): Promise<void> {
    for (const entrance of this.#entrances) entrance.stop()
    this.#openings.end()
    for (const session of this.#sessions.open()) session.stopGranting()
    const limit = new AbortController()
    await Promise.race([this.#gates.idle(), pause(this.#deps.clock, STOP_SETTLE_MS, limit.signal).catch(() => {})])
    limit.abort()
    this.#stopping.abort()
    for (const session of this.#sessions.open()) session.close('the core is stopping')
    this.#gates.end()
    await Promise.all(this.#entrances.map(entrance => entrance.close()))
    this.#deps.brokers?.parking.close()
  }

  status(): IngressStatus {
    const open = this.#sessions.open()
    return {
      url: this.#entrances[0]?.url,
      gateways: open.map(({ gateway, session, since, quota }) => ({ gateway, session, since, quota })),
      sources: open.flatMap(session =>
        [...session.sources.values()].map(({ claim, gate, end }) => ({
          source: sourceKey(claim.source),
          topic: claim.topic,
          partition: claim.partition,
          next: gate.next ?? end,
        })),
      ),
    }
  }

  /** For how long the log has kept one step waiting, ms; 0 where nothing waits. */
  get atOneStepMs(): number {
    return this.#gates.atOneStepMs
  }

  /** What gateways last said of themselves. */
  reports(): GatewayStanding[] {
    return this.#reports.list()
  }

  /** Gateways of which this core remembers a session, for which it refuses another installation, or what they said of themselves. */
  gateways(): string[] {
    return [...new Set([...this.#sessions.gateways(), ...this.#reports.list().map(({ gateway }) => gateway)])]
  }

  /** An operator says that another installation of this gateway is the real one: whichever opens next. */
  forget(gateway: string): void {
    this.#sessions.forget(gateway)
    this.#reports.forget(gateway)
  }

  /** The core shows another certificate to whoever connects from now on. */
  renewTls(material: { cert: string; key: string; ca: string }): void {
    for (const entrance of this.#entrances) entrance.renewTls?.(material)
  }

  #newEntrances(logger: Logger): Entrance[] {
    const { name, listen, routers = [], brokers, mayWrite, log, clock, random } = this.#deps
    const { identities } = this.#deps
    const questions = identities && new QuestionDesk(identities, clock)
    const known = identities && questions && { known: identities, desk: questions }
    const direct = listen
      ? [new DirectEntrance({ listen, mayWrite, clock, logger, identities: known, quotas: this.#quotas, limits: this.#limits })]
      : []
    const routed = routers.map(upstream => new RouterEntrance({ name, upstream, clock, random, logger, questions }))
    if (!brokers) return [...direct, ...routed]
    const { connected, most } = brokers.fillAfterMs ?? FILL_AFTER_MS
    const stored: BrokerEntrance[] = []
    const lanes = new StoredLanes({
      log,
      gates: this.#gates,
      parking: brokers.parking,
      clock,
      random,
      logger,
      alarms: this.#deps.alarms,
      tell: (gateway, message) =>
        stored
          .find(entrance => entrance.reader(gateway))
          ?.reader(gateway)
          ?.tell(message),
      mayFill: missingForMs =>
        missingForMs >= most || (missingForMs >= connected && stored.every(entrance => entrance.connected)),
      signal: this.#stopping.signal,
    })
    const take = lanes.take.bind(lanes)
    for (const upstream of brokers.upstreams)
      stored.push(new BrokerEntrance({ upstream, log, take, clock, random, logger, questions, quotas: this.#quotas }))
    lanes.restore()
    return [...direct, ...routed, ...stored]
  }

  /** Sessions that others relay end here; the connections of revoked gateways themselves are closed where they came in. */
  #closeBarred(identities: Identities): void {
    for (const session of this.#sessions.open()) {
      const barred = session.proof === undefined ? undefined : identities.barredFingerprint(session.proof)
      if (barred !== undefined) session.close(barred)
    }
  }

  /** Opening anew does not let a gateway write more. */
  #warningsOf(gateway: string): SparingLog {
    const warnings = this.#warnings.get(gateway) ?? new SparingLog(this.#logger, this.#deps.clock)
    this.#warnings.set(gateway, warnings)
    return warnings
  }

  #newSession({ gateway, instance, session }: OpenRequest, connection: Connection, proof: string | undefined): GatewaySession {
    const { clock } = this.#deps
    const quota = this.#quotas.of(gateway)
    const since = new Date(clock.wallMs()).toISOString()
    const open = this.#sessions.open()
    const { bytesHeld, bytesPerSessionMin, bytesPerSessionMax, messagesPerSession } = this.#limits
    const share = bytesHeld / (open.length + 1)
    const bytesMax = Math.max(bytesPerSessionMin, Math.min(bytesPerSessionMax, share))
    const credit = { messagesMax: messagesPerSession, bytesMax }
    for (const other of open) other.rebound(credit)
    const { check } = this.#deps
    return new GatewaySession({
      gateway,
      instance,
      session,
      connection,
      since,
      proof,
      credit,
      quota,
      clock,
      logger: this.#logger,
      warnings: this.#warningsOf(gateway),
      ...(check ? { check } : {}),
    })
  }
}
