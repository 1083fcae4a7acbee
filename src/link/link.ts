import type { Connection, Sender } from '../amqp/amqp.ts'
import { ADDRESS, OPEN_ERROR, type OpenReply, type OpenRequest, PROTOCOL_VERSION } from '../amqp/messages.ts'
import { Backoff } from '../runtime/backoff.ts'
import { pause } from '../runtime/clock.ts'
import { assert, HeadraceError, messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import { CurrentState } from './current-state.ts'
import { dial } from './dial.ts'
import { Flight } from './flight.ts'
import { Forwarding } from './forwarding.ts'
import { Lanes } from './lanes.ts'
import { LINK_LIMITS, type LinkLimits } from './limits.ts'
import type { LinkDeps } from './link-deps.ts'
import type { LinkState, LinkStatus, Next } from './link-state.ts'
import { OpeningChannel } from './opening-channel.ts'
import { PastOpenings } from './past-openings.ts'
import { Patience } from './patience.ts'
import { Refusals, SHOWS_NOTHING } from './refusals.ts'
import { type Resumed, ResumeRequests } from './resume-requests.ts'
import { StandingSession } from './standing-session.ts'
import { NO_FACTS, Telling } from './telling.ts'

/** With which a core closes the connection of a gateway that was revoked (AMQP 1.0 part 2, 2.8.15). */
const SENT_AWAY = 'amqp:unauthorized-access'
/** Between two attempts to connect, ms. */
const DIAL_AGAIN_AFTER = { firstMs: 200, maxMs: 15_000 }
/** Between two openings on one connection, ms. */
const OPEN_AGAIN_AFTER = { firstMs: 200, maxMs: 10_000 }
/** How long a link may take to attach, ms. */
const ATTACH_TIMEOUT_MS = 5_000
/** A refusal that a person has to end is asked about again after so long, ms. */
const REFUSED_AGAIN_AFTER_MS = 30_000
/** How long a stop waits for outcomes, ms. */
const STOP_SETTLE_MS = 3_000
/** Dialling, an opening or a wait may each take up to a minute: a link that has not taken a turn for so long, ms, stands still. */
export const TURN_WITHIN_MS = 180_000
/** How often it is looked whether the budget allows more, ms. */
const BUDGET_LOOK_EVERY_MS = 1_000

/** What the core said at the opening that this gateway may send. */
type Quota = NonNullable<Exclude<OpenReply, { error: unknown }>['quota']>

/**
 * The gateway's end of the interconnect, direct or through routers; how it sends to a broker is told at {@link Forwarding}.
 *
 *   IDLE ──start──► DIALLING ──connected──► OPENING ──answered, taken in──► SENDING
 *                    ▲    │                 ▲ │  ▲                            │
 *                    │    │ refused         │ │  └── stalled, starved, link closed, a source needs an opening
 *                    │    ▼                 │ └──another instance, malformed…──► REFUSED
 *                    └── WAITING ◄──connection closed (from OPENING, REFUSED)  │
 *                                           └──────────── 30 s ────────────────┘
 *   any but SENDING ──stop──► STOPPED
 *
 * SENDING is the only state in which a batch may be in flight. Leaving it is deaf to every delivery of its session and keeps every batch that the
 * buffer holds: what became of them is told by nobody but the next opening.
 */
export class Link {
  readonly #deps: LinkDeps
  readonly #log: Logger
  readonly #lanes: Lanes
  readonly #stopping = new AbortController()
  readonly #dialBackoff: Backoff
  readonly #openBackoff: Backoff
  readonly #patience = new Patience()
  readonly #past: PastOpenings
  readonly #limits: LinkLimits
  readonly #resumes: ResumeRequests
  readonly #telling: Telling
  readonly #state: CurrentState
  readonly #refusals: Refusals
  #running: Promise<void> = Promise.resolve()
  #connection: Connection | undefined
  #session: number | undefined
  #standing: StandingSession | undefined
  #forwarding: Forwarding | undefined
  #quota: Quota | undefined
  #dials = 0
  #turnedAtMs: number

  constructor(deps: LinkDeps) {
    const { buffer, clock, random, alarms } = deps
    this.#deps = deps
    this.#log = deps.log.child({ part: 'link' })
    this.#limits = deps.limits ?? LINK_LIMITS
    const { upToDateRecords, unansweredOpenings, fieldsInOpeningBytes } = this.#limits
    this.#past = new PastOpenings(unansweredOpenings)
    this.#lanes = new Lanes({
      buffer,
      newFlight: deps.newFlight ?? (() => new Flight()),
      clock,
      random,
      log: this.#log,
      alarms,
      taker: deps.mode === 'broker' ? 'broker' : 'log',
      upToDateRecords,
    })
    this.#telling = new Telling(this.#lanes, deps.facts ?? NO_FACTS, clock, fieldsInOpeningBytes)
    this.#dialBackoff = new Backoff(DIAL_AGAIN_AFTER, random)
    this.#openBackoff = new Backoff(OPEN_AGAIN_AFTER, random)
    this.#resumes = new ResumeRequests(clock)
    this.#state = new CurrentState(clock, alarms, this.#log)
    const { gateway, mode = 'direct', shownAs = () => SHOWS_NOTHING } = deps
    this.#refusals = new Refusals({ gateway, mode, shownAs, alarms, log: this.#log })
    this.#turnedAtMs = clock.monotonicMs()
  }

  start(): void {
    assert(this.#state.name === 'idle', 'a link is started once')
    this.#lanes.refresh()
    this.#running = this.#run()
  }

  /** Sends nothing more, waits a few seconds at most for what is on its way, closes. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    if (this.#standing) this.#standing.over('stopping')
    else if (this.#forwarding) this.#forwarding.over('stopping')
    else this.#connection?.close()
    await this.#running
    this.#resumes.end()
    this.#become('stopped')
  }

  status(): LinkStatus {
    return {
      state: this.#state.name,
      peer: this.#connection?.remote,
      session: this.#session,
      quota: this.#quota,
      since: this.#state.since,
      sources: [...this.#lanes].map(({ source, state, reason, inFlight }) => ({ source, state, reason, inFlight })),
    }
  }

  /** How long ago its loop took a turn, whatever came of it, ms: past {@link TURN_WITHIN_MS} it stands still. */
  get sinceTurnMs(): number {
    return this.#deps.clock.monotonicMs() - this.#turnedAtMs
  }

  /**
   * Asks the core for a new epoch of a frozen or retired source and goes on at the end of the log. Resolves when that is on disk, or refused; within a limit.
   * Rejects with `not_found` where there is no such source.
   */
  async resume(source: string): Promise<Resumed> {
    const lane = this.#lanes.get(source)
    if (!lane) throw new HeadraceError('not_found', `there is no source ${source} on this gateway`)
    const isRetired = this.#deps.facts?.standingOf(source) === 'left'
    if (lane.state !== 'frozen' && !isRetired)
      return { outcome: 'refused', message: `${source} is not frozen.`, advice: 'Nothing has to be done.' }
    const resumed = this.#resumes.ask(source)
    this.#standing?.over(`${source} is to be resumed`)
    this.#forwarding?.ask()
    return resumed
  }

  async #run(): Promise<void> {
    const stopping = this.#stopping.signal
    while (!stopping.aborted) {
      if (!this.#isAffordable()) {
        this.#become('waiting')
        this.#state.noneWanted()
        await this.#wait(BUDGET_LOOK_EVERY_MS, stopping)
        continue
      }
      this.#become('dialling')
      const failed = (cause: unknown) => this.#failed(cause, 'the core cannot be reached')
      const connection = await dial(() => this.#deps.connect(this.#dials++), stopping, failed)
      if (connection) await this.#converse(connection)
      if (stopping.aborted) return
      this.#become('waiting')
      await this.#wait(this.#dialBackoff.nextMs(), stopping)
    }
  }

  #isAffordable(): boolean {
    const { budget, buffer } = this.#deps
    return budget?.allowsAnyOf(buffer) ?? true
  }

  /** One connection's life. */
  async #converse(connection: Connection): Promise<void> {
    const closed = new AbortController()
    const over = AbortSignal.any([closed.signal, this.#stopping.signal])
    void connection.closed.then(error => {
      closed.abort()
      if (error?.condition === SENT_AWAY) this.#refusals.sentAway(error.description)
      const why = `the connection was closed: ${error?.description ?? 'no reason given'}`
      for (const carrying of [this.#standing, this.#forwarding]) carrying?.over(why)
    })
    this.#connection = connection
    this.#deps.budget?.spendOpening([...this.#lanes].length)
    try {
      if (this.#deps.mode === 'broker') return await this.#forward(connection)
      const { clock, proofOf } = this.#deps
      const target = { address: ADDRESS.open, proofOf, limits: this.#limits }
      const channel = await OpeningChannel.attach(connection, clock, this.#log, ATTACH_TIMEOUT_MS, target)
      while (!over.aborted && this.#isAffordable()) {
        this.#become('opening')
        const next = await this.#open(connection, channel, over)
        if (next === 'lost') return
        if (next === 'refused') this.#become('refused')
        if (next !== 'at once') await this.#wait(next === 'refused' ? REFUSED_AGAIN_AFTER_MS : this.#openBackoff.nextMs(), over)
      }
    } catch (cause) {
      this.#failed(cause, 'the connection to the core is given up')
    } finally {
      this.#connection = undefined
      this.#session = undefined
      connection.close()
    }
  }

  /** Sends to a broker for as long as the connection stands. */
  async #forward(connection: Connection): Promise<void> {
    const { gateway, buffer, clock, random } = this.#deps
    this.#become('opening')
    this.#lanes.refresh()
    const session = await buffer.nextSession()
    this.#session = session
    const forwarding = new Forwarding(
      {
        gateway,
        buffer,
        lanes: this.#lanes,
        resumes: this.#resumes,
        telling: this.#telling,
        clock,
        random,
        log: this.#log,
        budget: this.#deps.budget,
        onTurn: () => this.#turn(),
        limits: this.#limits,
        proofOf: this.#deps.proofOf,
        reports: this.#deps.reports,
        onProgress: () => this.#dialBackoff.reset(),
        takeIn: async (reply, resume) => {
          this.#refusals.over()
          await this.#takeIn(reply, resume)
        },
        refused: error => this.#refusals.byCore(error),
      },
      connection,
      session,
    )
    this.#forwarding = forwarding
    try {
      const why = await forwarding.run(() => {
        this.#refusals.over()
        this.#become('sending')
      })
      this.#log.info({ session, why }, 'nothing is forwarded any more')
      if (this.#stopping.signal.aborted) await this.#within(STOP_SETTLE_MS, forwarding.drain())
    } finally {
      this.#forwarding = undefined
      forwarding.end()
      this.#become('opening')
    }
  }

  /** One opening and, where it succeeds, the session that follows, to its end. */
  async #open(connection: Connection, channel: OpeningChannel, over: AbortSignal): Promise<Next> {
    const { gateway, buffer } = this.#deps
    this.#lanes.refresh()
    const session = await buffer.nextSession(this.#past.newestSession)
    this.#session = session
    const resume = this.#resumes.open()
    const sources = this.#telling.all(resume)
    const request: OpenRequest = { version: PROTOCOL_VERSION, gateway, instance: buffer.instance, session, sources, resume }
    const answer = await channel.ask(request, this.#past.replyTimeoutMs)
    if (over.aborted || answer.kind === 'lost') return 'lost'
    if (answer.kind === 'timeout') return this.#unansweredOpening(connection)
    this.#past.answered()
    if (answer.kind === 'released') return 'again'
    if (answer.kind === 'rejected') {
      const { condition, description } = answer.error ?? { condition: 'rejected', description: 'no reason given' }
      return this.#refusals.byCore({ code: condition, message: description, advice: 'Compare the versions of gateway and core.' })
    }
    const { reply } = answer
    if ('error' in reply)
      return reply.error.code === OPEN_ERROR.sessionNotNew ? this.#past.notNew(reply.session) : this.#refusals.byCore(reply.error)
    this.#past.taken()
    await this.#takeIn(reply, resume)
    this.#quota = reply.quota
    const sender = await this.#openData(connection, session)
    if (sender) await this.#send(sender, channel, session, over)
    return 'again'
  }

  #unansweredOpening(connection: Connection): Next {
    const isHopeless = this.#past.unanswered()
    this.#log.warn({ unanswered: this.#past.unansweredCount }, 'the core does not answer the opening')
    if (!isHopeless) return 'again'
    connection.destroy()
    return 'lost'
  }

  /** Each source does what rule 6 says; one that fails on disk fails the opening, since nothing may be sent on half of it. */
  async #takeIn(reply: Exclude<OpenReply, { error: unknown }>, resume: readonly string[]): Promise<void> {
    await Promise.all(
      reply.sources.map(async entry => {
        const resumed = resume.includes(entry.source)
        await this.#lanes.get(entry.source)?.open({ entry, log: reply.log, resumed })
        this.#telling.heard(entry)
        if (resumed) this.#resumes.answer(entry.source, entry)
      }),
    )
  }

  async #openData(connection: Connection, session: number): Promise<Sender | undefined> {
    const address = ADDRESS.data(this.#deps.gateway, session)
    try {
      return await connection.openSender({ address, timeoutMs: ATTACH_TIMEOUT_MS })
    } catch (cause) {
      this.#failed(cause, 'the data link was refused')
      this.#lanes.close()
      return undefined
    }
  }

  async #send(sender: Sender, channel: OpeningChannel, session: number, over: AbortSignal): Promise<void> {
    const { gateway, buffer, clock } = this.#deps
    const standing = new StandingSession({
      gateway,
      session,
      buffer,
      lanes: this.#lanes,
      telling: this.#telling,
      sender,
      channel,
      patience: this.#patience,
      clock,
      budget: this.#deps.budget,
      onTurn: () => this.#turn(),
      limits: this.#limits,
      reports: this.#deps.reports,
      silenceMs: this.#quota?.silenceMs ?? 0,
      onProgress: () => {
        this.#openBackoff.reset()
        this.#dialBackoff.reset()
      },
    })
    this.#standing = standing
    this.#become('sending')
    this.#refusals.over()
    if (over.aborted || this.#resumes.open().length > 0) standing.over('something came up during the opening')
    const why = await standing.run()
    this.#standing = undefined
    if (this.#stopping.signal.aborted) await this.#within(STOP_SETTLE_MS, standing.drain())
    standing.end()
    this.#become('opening')
    this.#log.info({ session, why }, 'the session is over')
  }

  /** No session comes about: a person is told where somebody refuses it, and after a while in any case. */
  #failed(cause: unknown, what: string): void {
    this.#log.warn({ reason: messageOf(cause) }, what)
    this.#state.failed(messageOf(cause))
    this.#refusals.byPeer(cause)
  }

  async #within(limitMs: number, done: Promise<void>): Promise<void> {
    const limit = new AbortController()
    await Promise.race([done, this.#wait(limitMs, limit.signal)])
    limit.abort()
  }

  #turn(): void {
    this.#turnedAtMs = this.#deps.clock.monotonicMs()
  }

  async #wait(waitMs: number, signal: AbortSignal): Promise<void> {
    this.#turn()
    // An aborted wait is over, and whoever waited looks at the signal.
    if (!signal.aborted) await pause(this.#deps.clock, waitMs, signal).catch(() => {})
  }

  #become(state: LinkState): void {
    this.#state.become(state, this.#session)
  }
}
