import type { Connection, Message } from '../amqp/amqp.ts'
import type { GatewayReport } from '../amqp/gateway-report.ts'
import {
  encodeOpenReply,
  OPEN_ERROR,
  type OpenReply,
  type OpenRequest,
  openRequestSchema,
  PROTOCOL_VERSION,
} from '../amqp/messages.ts'
import { readJson } from '../amqp/read-json.ts'
import type { Log } from '../log/log.ts'
import type { Clock, Timer } from '../runtime/clock.ts'
import { HeadraceError, messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import { SparingLog } from '../runtime/sparing-log.ts'
import { type Rate, TokenBucket } from '../runtime/token-bucket.ts'
import { FieldNotes } from './field-notes.ts'
import type { Gates } from './gates.ts'
import type { GatewaySession } from './gateway-session.ts'
import type { Identities, Provenance } from './identities.ts'
import type { IdentityRule } from './identity.ts'
import type { IngressLimits } from './limits.ts'
import { openSources } from './opened-sources.ts'
import type { GatewayReports } from './reports.ts'
import type { SessionTable } from './session-table.ts'

/** Openings begun in a second: each asks the log about every source of its gateway, while others go on sending. */
export const OPENINGS_ADMITTED: Rate = { perSecond: 50, burst: 16 }
/** An opening that waited for longer is given back, ms: its gateway stops listening after three seconds, and an answer would be work for nobody. */
const WAITED_MAX_MS = 2_000

/** An opening as an entrance hands it over. */
export interface OpeningRequest {
  readonly body: Buffer
  readonly properties: Message['properties']
  readonly connection: Connection
  /** Whether others stand between gateway and core: then `connection` says nothing of who the gateway is. */
  readonly relayed?: true
  /** False when the peer is gone. */
  readonly alive: boolean
  /** The data receiver of the session is to be ready before this resolves. */
  prepare(session: GatewaySession): Promise<void>
  /** Answers, and takes the request. */
  reply(body: Buffer): void
  /** Cannot be answered now: somebody else may, or this one later. */
  release(): void
}

export interface OpeningsDeps {
  readonly log: Log
  readonly gates: Gates
  readonly sessions: SessionTable
  readonly mayWrite: IdentityRule
  /** Where the core has an authority: an enrolled gateway proves by a signature that an opening is its own. */
  readonly identities?: Identities | undefined
  readonly reports: GatewayReports
  /** `proof`: the certificate with which the opening was signed. */
  readonly newSession: (request: OpenRequest, connection: Connection, proof: string | undefined) => GatewaySession
  readonly clock: Clock
  readonly logger: Logger
  readonly limits: IngressLimits
}

/** Answers openings (docs/protocol.md, "Opening"), and questions about ends within a session. */
export class Openings {
  readonly #deps: OpeningsDeps
  readonly #admission: TokenBucket
  readonly #waiting: { readonly request: OpeningRequest; readonly sinceMs: number }[] = []
  readonly #notes: FieldNotes
  /** Of those who open in the name of another: they can do that at will. */
  readonly #refusals: SparingLog
  #working = 0
  #later: Timer | undefined

  constructor(deps: OpeningsDeps) {
    this.#deps = deps
    this.#notes = new FieldNotes(deps.log, deps.logger)
    this.#refusals = new SparingLog(deps.logger, deps.clock)
    this.#admission = new TokenBucket(OPENINGS_ADMITTED, deps.clock)
  }

  take(request: OpeningRequest): void {
    if (this.#waiting.length >= this.#deps.limits.openingsWaiting) {
      request.release()
      return
    }
    this.#waiting.push({ request, sinceMs: this.#deps.clock.monotonicMs() })
    this.#next()
  }

  /** Takes no more, and lets go of those that wait. */
  end(): void {
    this.#later?.cancel()
    for (const { request } of this.#waiting.splice(0)) request.release()
  }

  #next(): void {
    while (this.#working < this.#deps.limits.openingsAtOnce) {
      const next = this.#waiting.shift()
      if (!next) return
      const { request, sinceMs } = next
      if (!request.alive) continue
      if (this.#deps.clock.monotonicMs() - sinceMs > WAITED_MAX_MS) {
        request.release()
        continue
      }
      const inMs = this.#admission.inMs(1)
      if (inMs > 0) {
        this.#waiting.unshift(next)
        this.#nextLater(inMs)
        return
      }
      this.#admission.spend(1)
      this.#working += 1
      void this.#work(request).finally(() => {
        this.#working -= 1
        this.#next()
      })
    }
  }

  #nextLater(inMs: number): void {
    this.#later ??= this.#deps.clock.after(inMs, () => {
      this.#later = undefined
      this.#next()
    })
  }

  async #work(request: OpeningRequest): Promise<void> {
    try {
      const reply = await this.#answer(request)
      if (reply) request.reply(encodeOpenReply(reply))
      else request.release()
    } catch (cause) {
      const expected = cause instanceof HeadraceError && cause.code === 'log_unavailable'
      this.#deps.logger[expected ? 'debug' : 'error']({ reason: messageOf(cause) }, 'an opening cannot be answered now')
      request.release()
    }
  }

  /** The reply, or undefined where it is somebody else's to give. */
  async #answer(opening: OpeningRequest): Promise<OpenReply | undefined> {
    const message = readJson(openRequestSchema, opening.body)
    if ('wrong' in message) return refusal(0, OPEN_ERROR.malformed, message.wrong, 'Compare the versions of gateway and core.')
    const request = message.read
    const { gateway, session } = request
    const { identity, remote } = opening.connection
    if (!this.#deps.mayWrite(identity, gateway)) {
      const who = identity.name ?? 'a peer without a certificate'
      this.#refusals.warn({ gateway, by: who, remote }, 'an opening in the name of another is refused')
      return refusal(
        session,
        OPEN_ERROR.notYours,
        `${who} may not write as ${gateway}.`,
        `Give this gateway a certificate whose name is ${gateway}.`,
      )
    }
    const refused = request.ask === 'ends' ? undefined : this.#judge(request)
    if (refused) return refused
    const provenance = await this.#provenance(request, opening)
    if (provenance?.kind === 'old') return notAbove(session, provenance.newest)
    if (provenance?.kind === 'refused') {
      this.#refusals.warn({ gateway, reason: provenance.why, remote }, 'an opening is refused')
      return refusal(
        session,
        OPEN_ERROR.notYours,
        `${provenance.why}.`,
        'Look at `headrace ca list` on the core; enrol the gateway again if need be.',
      )
    }
    const proof = provenance?.kind === 'proven' ? provenance.fingerprint : undefined
    // While the register was asked, another opening of the gateway may have come in.
    if (request.ask !== 'ends') return (provenance && this.#judge(request)) ?? this.#open(request, opening, proof)
    return request.report ? this.#hear(request, request.report) : this.#answerEnds(request)
  }

  /** Who an opening comes from that others relayed: they know, or it says so itself, signed. */
  async #provenance(request: OpenRequest, { relayed, body, properties }: OpeningRequest): Promise<Provenance | undefined> {
    if (!relayed) return undefined
    const { gateway, session, ask } = request
    return this.#deps.identities?.provenance({ gateway, session, begins: ask !== 'ends', body, properties })
  }

  async #open(request: OpenRequest, opening: OpeningRequest, proof: string | undefined): Promise<OpenReply | undefined> {
    const { sessions, log, gates, logger, limits } = this.#deps
    const session = this.#deps.newSession(request, opening.connection, proof)
    // The older one is closed first: what it still lets through would come after the ends were read.
    sessions.enter(session)
    const identity = await log.identity()
    const sources = await openSources(log, { gates, atOnce: limits.questionsAtOnce }, session, request)
    this.#notes.take(request)
    if (!session.open) return undefined
    await opening.prepare(session)
    logger.info(
      { gateway: session.gateway, session: session.session, sources: sources.length, peer: opening.connection.remote },
      'session opened',
    )
    return {
      version: PROTOCOL_VERSION,
      session: session.session,
      log: `${identity.engine}:${identity.id}`,
      sources,
      quota: session.told,
    }
  }

  #judge({ gateway, instance, session }: OpenRequest): OpenReply | undefined {
    const standing = this.#deps.sessions.judge({ gateway, instance, session })
    switch (standing.kind) {
      case 'newest':
        return undefined
      case 'not_new':
        return notAbove(session, standing.newest)
      case 'other_instance':
        this.#deps.logger.error({ gateway, instance }, 'another instance writes as a gateway that is known')
        return refusal(
          standing.newest,
          OPEN_ERROR.otherInstance,
          `Another installation writes as ${gateway} (its session is ${standing.newest}).`,
          `Find out which of the two is ${gateway}: rename the other one, or stop it for good, and then \`headrace gateway forget ${gateway}\` on the core.`,
        )
      case 'too_many':
        return refusal(session, OPEN_ERROR.unavailable, 'This core knows too many gateways.', 'Add another core.')
    }
  }

  /** Whoever hears a report keeps it, and answers: it is for people, and given back it would only go round. */
  #hear({ gateway, instance, session }: OpenRequest, report: GatewayReport): OpenReply {
    const held = this.#deps.sessions.newest(gateway)
    if (held && held.instance !== instance)
      return refusal(held.session, OPEN_ERROR.otherInstance, `Another installation writes as ${gateway}.`, 'Rename one of them.')
    this.#deps.reports.hear(gateway, report)
    return { version: PROTOCOL_VERSION, session, log: '', sources: [] }
  }

  /** Only the holder of the session answers: others do not know whether it is the newest. */
  async #answerEnds(request: OpenRequest): Promise<OpenReply | undefined> {
    const { sessions, log, gates, limits } = this.#deps
    const held = sessions.newest(request.gateway)
    if (!held?.open) return undefined
    if (held.session !== request.session || held.instance !== request.instance) {
      return refusal(held.session, OPEN_ERROR.sessionNotNew, `Session ${request.session} is over.`, 'Go one above the newest.')
    }
    const identity = await log.identity()
    const sources = await openSources(log, { gates, atOnce: limits.questionsAtOnce }, held, { ...request, resume: [] })
    this.#notes.take(request)
    return { version: PROTOCOL_VERSION, session: held.session, log: `${identity.engine}:${identity.id}`, sources }
  }
}

function notAbove(session: number, newest: number): OpenReply {
  return refusal(newest, OPEN_ERROR.sessionNotNew, `Session ${session} is not above ${newest}.`, 'Go one above it.')
}

function refusal(session: number, code: string, message: string, advice: string): OpenReply {
  return { version: PROTOCOL_VERSION, session, error: { code, message, advice } }
}
