import type { Connection } from '../amqp/amqp.ts'
import { PROOF } from '../amqp/identity-messages.ts'
import type { Alarms } from '../runtime/alarms.ts'
import type { Clock } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import { type GatewayIdentity, readIdentity, writeIdentity } from './gateway-identity.ts'
import { certificatesIn, fingerprintOf } from './pem.ts'
import { prove } from './proof.ts'
import { type Asking, askToRenew, askWhetherDue, questionAddress } from './renewal.ts'

/** How often a gateway asks whether its certificate is to be renewed, ms; a share of it is drawn, so that a fleet does not ask at once. */
const LOOK_EVERY_MS = 3_600_000
/** At least so often in a certificate's life: in the third of it that is left when it is due, there is time to try again. */
const LOOKS_IN_A_LIFE = 12

export interface IdentityKeeperDeps {
  readonly path: string
  readonly mode: 'direct' | 'router' | 'broker'
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly log: Logger
  readonly alarms: Alarms
}

/** Keeps a gateway's certificate good: asks the core over each connection, and over a standing one from time to time, and renews it when the core says so. */
export class IdentityKeeper {
  readonly #deps: IdentityKeeperDeps
  #identity: GatewayIdentity | undefined

  constructor(deps: IdentityKeeperDeps) {
    this.#deps = { ...deps, log: deps.log.child({ part: 'identity' }) }
  }

  /** As it is on disk now: `headrace enroll` may have written it while this process runs. */
  current(): GatewayIdentity | undefined {
    this.#identity = readIdentity(this.#deps.path)
    return this.#identity
  }

  /** Properties of an opening, which prove to the core, past routers and brokers, that it is this gateway's. */
  proofOf(body: Buffer): Record<string, string> {
    const identity = this.#identity
    if (!identity) return {}
    return { [PROOF.certificate]: leafOf(identity), [PROOF.signature]: prove(identity.key, 'opening', body) }
  }

  /** Looks after the certificate over a connection that has just been opened. Resolves with whether there is another one now. Never rejects. */
  async look(connection: Connection): Promise<'renewed' | 'as it was'> {
    const { path, mode, clock, log, alarms } = this.#deps
    const identity = this.#identity
    if (!identity) return 'as it was'
    const asking: Asking = { connection, clock, at: questionAddress(mode) }
    const certificate = leafOf(identity)
    try {
      if (!(await askWhetherDue(asking, certificate))) {
        alarms.clear('certificate_not_renewed')
        return 'as it was'
      }
    } catch (cause) {
      // Another core, or the next time, may know.
      log.info({ reason: messageOf(cause) }, 'nobody says here whether the certificate is to be renewed')
      return 'as it was'
    }
    try {
      const { gateway, key, root } = identity
      writeIdentity(path, await askToRenew(asking, { gateway, key, certificate, root: fingerprintOf(root) }))
      this.current()
      alarms.clear('certificate_not_renewed')
      log.info({ gateway }, 'the certificate was renewed')
      return 'renewed'
    } catch (cause) {
      log.warn({ reason: messageOf(cause) }, 'the certificate could not be renewed')
      alarms.raise('certificate_not_renewed', {
        message: `This gateway's certificate could not be renewed: ${messageOf(cause)}`,
        advice: 'It is tried again by itself. If it was revoked or is long over, enrol the gateway again.',
      })
      return 'as it was'
    }
  }

  /** It is let in, wherever that is. */
  comesIn(): void {
    this.#deps.alarms.clear('certificate_ended')
  }

  /** No connection comes about: where the certificate has ended by now, as far as this machine's clock can be believed, a person is told what to do. */
  tellIfEnded(renewAt: string | undefined): void {
    const { mode, clock, alarms } = this.#deps
    const leaf = this.#identity && certificatesIn(this.#identity.chain)[0]
    if (!leaf || leaf.validToDate.getTime() > clock.wallMs()) return
    alarms.raise('certificate_ended', {
      message: `This gateway's certificate ended on ${leaf.validToDate.toISOString()}; a ${mode} lets nobody in with one that has ended.`,
      advice:
        renewAt === undefined
          ? 'Name a core that listens in uplink.renew_at, or connect to it once (mode: direct), or enrol this gateway again.'
          : `It is asked for another one at ${renewAt}. If that does not come about, enrol this gateway again.`,
    })
  }

  /** Looks from time to time, for as long as the connection stands; the next connection shows what came of it. */
  watch(connection: Connection): void {
    const { clock, random } = this.#deps
    const timer = clock.after(
      this.#lookEveryMs * (0.5 + random() / 2),
      () => void this.look(connection).then(() => this.watch(connection)),
      'background',
    )
    void connection.closed.then(() => timer.cancel())
  }

  get #lookEveryMs(): number {
    const leaf = this.#identity && certificatesIn(this.#identity.chain)[0]
    const lifeMs = leaf ? leaf.validToDate.getTime() - leaf.validFromDate.getTime() : Number.POSITIVE_INFINITY
    return Math.min(LOOK_EVERY_MS, lifeMs / LOOKS_IN_A_LIFE)
  }
}

function leafOf({ chain }: GatewayIdentity): string {
  return String(certificatesIn(chain)[0])
}
