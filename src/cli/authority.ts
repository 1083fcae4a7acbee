import { join } from 'node:path'
import type { Authority } from '../ca/authority.ts'
import { IdentityDesk } from '../ca/desk.ts'
import { IDENTITIES_JOURNAL } from '../ca/shared-register.ts'
import type { CoreConfig } from '../config/core.ts'
import type { Log } from '../log/log.ts'
import type { Alarms } from '../runtime/alarms.ts'
import { systemClock, type Timer } from '../runtime/clock.ts'
import { HeadraceError, messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'

const DAY_MS = 86_400_000
/** How often certificates of the core itself are looked at, ms. */
const LOOK_EVERY_MS = DAY_MS / 4
/** So long before the issuing key's certificate ends a person is told, ms. */
const TOLD_BEFORE_MS = 90 * DAY_MS

/** Where a core's authority lies. */
export function authorityFolder(config: { state: string; ca?: { folder?: string | undefined } | undefined }): string {
  return config.ca?.folder ?? join(config.state, 'ca')
}

/** The authority of a running core: its register for the ingress, and its own certificates kept good. */
export class CoreAuthority {
  readonly desk: IdentityDesk
  readonly #authority: Authority
  readonly #alarms: Alarms
  readonly #logger: Logger
  #timer: Timer | undefined

  private constructor(authority: Authority, logger: Logger, alarms: Alarms) {
    this.#authority = authority
    this.#logger = logger.child({ part: 'ca' })
    this.#alarms = alarms
    this.desk = new IdentityDesk(authority, systemClock, logger)
  }

  /** Throws `config_unreadable` where there is none, `config_invalid` where the rest of core.yaml does not go with it. */
  static async open(config: CoreConfig, log: Log, logger: Logger, alarms: Alarms): Promise<CoreAuthority | undefined> {
    const { ca, ingress } = config
    if (!ca) return undefined
    if (ingress?.listen !== undefined && (ingress.tls || !ingress.listen.startsWith('amqps:'))) {
      throw new HeadraceError(
        'config_invalid',
        'core.yaml: with `ca`, the ingress listens on amqps, and has no `tls` of its own',
        {
          advice: 'Write ingress: { listen: "amqps://0.0.0.0:5671" }: certificates come from the authority.',
        },
      )
    }
    const options = { folder: authorityFolder(config), clock: systemClock, lifeMs: ca.certificate_life, graceMs: ca.grace }
    // What signs certificates takes 20 MB: only where there is an authority.
    const authority = (await import('../ca/authority.ts')).Authority.open(options)
    try {
      await authority.renewServer()
      // Before anybody comes in: who was sent away by another core is to be known by then.
      const journal = await log.journal(IDENTITIES_JOURNAL)
      if (journal) await authority.share(journal, logger.child({ part: 'ca' }))
      return new CoreAuthority(authority, logger, alarms)
    } catch (error) {
      authority.close()
      throw error
    }
  }

  get tls(): Authority['server'] {
    return this.#authority.server
  }

  /** `renewed` hears of another certificate of the core. */
  start(renewed: (tls: Authority['server']) => void): void {
    const look = async () => {
      try {
        if (await this.#authority.renewServer()) renewed(this.tls)
      } catch (cause) {
        this.#logger.error({ reason: messageOf(cause) }, "the core's certificate could not be renewed")
      }
      this.#tellEnd()
      this.#timer = systemClock.after(LOOK_EVERY_MS, () => void look(), 'background')
    }
    void look()
  }

  stop(): void {
    this.#timer?.cancel()
    this.desk.end()
    this.#authority.close()
  }

  #tellEnd(): void {
    const { endsMs } = this.#authority
    if (endsMs - systemClock.wallMs() > TOLD_BEFORE_MS) this.#alarms.clear('ca_ends')
    else {
      this.#alarms.raise('ca_ends', {
        message: `The issuing certificate of the authority ends on ${new Date(endsMs).toISOString()}.`,
        advice: 'Fetch the root key from where it is kept, and run `headrace ca renew --root-key FILE`; then restart the core.',
      })
    }
  }
}
