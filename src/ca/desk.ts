import { X509Certificate } from 'node:crypto'
import type { PeerIdentity } from '../amqp/amqp.ts'
import { type IdentityReply, type IdentityRequest, identityRequestSchema, PROOF } from '../amqp/identity-messages.ts'
import { PROTOCOL_VERSION } from '../amqp/messages.ts'
import { readJson } from '../amqp/read-json.ts'
import type { Identities, Provenance } from '../ingress/identities.ts'
import type { Clock, Timer } from '../runtime/clock.ts'
import { HeadraceError, messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import { SparingLog } from '../runtime/sparing-log.ts'
import type { Authority, Issued } from './authority.ts'
import { fingerprintOf, nameOf } from './pem.ts'
import { isProven } from './proof.ts'

/** How often it is looked whether somebody else changed the register, ms. */
const LOOK_EVERY_MS = 1_000

/** The authority as an ingress sees it: answers what is asked at `headrace/identity`, and says who may come in. */
export class IdentityDesk implements Identities {
  readonly #authority: Authority
  readonly #clock: Clock
  readonly #logger: Logger
  /** For what anybody can cause. */
  readonly #warnings: SparingLog
  readonly #calls = new Set<() => void>()
  #version: number
  #timer: Timer | undefined
  #ended = false
  /** Since when other cores cannot be heard is said once. */
  #isDeaf = false

  constructor(authority: Authority, clock: Clock, logger: Logger) {
    this.#authority = authority
    this.#clock = clock
    this.#logger = logger.child({ part: 'identity' })
    this.#warnings = new SparingLog(this.#logger, clock)
    this.#version = authority.version
    this.#lookLater()
  }

  /** The register may have changed: whoever is barred now goes at once. */
  changed(): void {
    this.#version = this.#authority.version
    for (const call of this.#calls) call()
  }

  onChange(call: () => void): void {
    this.#calls.add(call)
  }

  end(): void {
    this.#ended = true
    this.#timer?.cancel()
  }

  /** Somebody changed the register here: whoever is barred goes at once, and the other cores are told. Never rejects. */
  async spread(): Promise<'alone' | 'told' | 'later'> {
    this.changed()
    if (!this.#authority.isShared) return 'alone'
    await this.#sync()
    return this.#authority.hasUnsaid ? 'later' : 'told'
  }

  /** Why the bearer of a certificate may not come in; undefined where it may. */
  barred({ method, fingerprint }: PeerIdentity): string | undefined {
    return method === 'certificate' ? this.#barred(fingerprint ?? '') : undefined
  }

  /** Why a certificate that was proven is good no more. */
  barredFingerprint(fingerprint: string): string | undefined {
    return this.#barred(fingerprint)
  }

  /** Judges by the signature over the body; a proven session is good once, here and after a restart. */
  async provenance(opening: Parameters<Identities['provenance']>[0]): Promise<Provenance> {
    const { gateway, session, begins, body, properties } = opening
    const certificate = readCertificate(String(properties[PROOF.certificate] ?? ''))
    const signature = String(properties[PROOF.signature] ?? '')
    if (!certificate)
      return this.#authority.knows(gateway)
        ? { kind: 'refused', why: `${gateway} is enrolled, and the opening is not signed by it` }
        : { kind: 'unknown' }
    const fingerprint = fingerprintOf(certificate)
    const row = this.#authority.find(fingerprint)
    if (row?.gateway !== gateway) return { kind: 'refused', why: `the certificate of the opening is not one of ${gateway}` }
    const barred = this.#barred(fingerprint)
    if (barred !== undefined) return { kind: 'refused', why: barred }
    if (!isProven(certificate.publicKey, 'opening', body, signature))
      return { kind: 'refused', why: `the opening is not signed with the key of ${gateway}` }
    const newest = begins ? await this.#authority.enterSession(gateway, session) : undefined
    // It may have been sent away while its session was noted, when there was none to close yet.
    const sentAway = this.#barred(fingerprint)
    if (sentAway !== undefined) return { kind: 'refused', why: sentAway }
    return newest === undefined ? { kind: 'proven', fingerprint } : { kind: 'old', newest }
  }

  /** Answers one question. Never rejects. */
  async answer(body: Buffer): Promise<Buffer> {
    const message = readJson(identityRequestSchema, body)
    const reply =
      'wrong' in message
        ? errorReply('malformed', message.wrong, 'Compare the versions of gateway and core.')
        : await this.#reply(message.read).catch(cause => this.#failed(cause))
    return Buffer.from(JSON.stringify(reply))
  }

  async #reply(request: IdentityRequest): Promise<IdentityReply> {
    switch (request.ask) {
      case 'look': {
        const certificate = readCertificate(request.certificate)
        return { version: PROTOCOL_VERSION, due: certificate !== undefined && this.#authority.isDue(certificate) }
      }
      case 'enroll':
        return this.#issued(request.gateway, await this.#authority.enroll(request.gateway, request.secret, request.request))
      case 'renew': {
        const certificate = readCertificate(request.certificate)
        if (!certificate || !isProven(certificate.publicKey, 'renew', Buffer.from(request.request), request.signature))
          return errorReply(
            'not_proven',
            'The request is not signed with the key of the certificate.',
            'Enrol this gateway again.',
          )
        return this.#issued(nameOf(certificate) ?? certificate.subject, await this.#authority.renew(certificate, request.request))
      }
    }
  }

  #issued(gateway: string, issued: Issued): IdentityReply {
    if ('refused' in issued) {
      this.#warnings.warn({ gateway, reason: issued.refused }, 'a certificate is refused')
      return errorReply('refused', `The core gives no certificate: ${issued.refused}.`, issued.advice)
    }
    this.#logger.info({ gateway }, 'a certificate was issued')
    return { version: PROTOCOL_VERSION, ...issued }
  }

  #failed(cause: unknown): IdentityReply {
    this.#warnings.warn({ reason: messageOf(cause) }, 'a question about an identity cannot be answered')
    return cause instanceof HeadraceError && cause.code === 'config_invalid'
      ? errorReply('malformed', cause.message, cause.advice ?? '')
      : errorReply('unavailable', 'The core cannot issue certificates now.', "Look at the core's log, and try again.")
  }

  #barred(fingerprint: string): string | undefined {
    const row = this.#authority.find(fingerprint)
    if (!row) return 'its certificate is not in the register of the authority'
    return row.state === 'allowed' ? undefined : `${row.gateway} was revoked`
  }

  #lookLater(): void {
    const look = async () => {
      if (this.#authority.version !== this.#version) this.changed()
      await this.#sync()
      if (!this.#ended) this.#lookLater()
    }
    this.#timer = this.#clock.after(LOOK_EVERY_MS, () => void look(), 'background')
  }

  async #sync(): Promise<void> {
    try {
      if (await this.#authority.sync()) this.changed()
      this.#isDeaf = false
    } catch (cause) {
      if (!this.#isDeaf && !this.#ended)
        this.#logger.warn(
          { reason: messageOf(cause) },
          'other cores cannot be told whom this one has let in or sent away, nor asked',
        )
      this.#isDeaf = true
    }
  }
}

function errorReply(code: string, message: string, advice: string): IdentityReply {
  return { version: PROTOCOL_VERSION, error: { code, message, advice } }
}

function readCertificate(pem: string): X509Certificate | undefined {
  try {
    return pem === '' ? undefined : new X509Certificate(pem)
  } catch {
    return undefined
  }
}
