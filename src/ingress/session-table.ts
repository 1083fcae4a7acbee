import type { GatewaySession } from './gateway-session.ts'

/** Gateways known at once. */
const GATEWAYS_MAX = 20_000

/** How an opening stands to what is known of its gateway. */
export type Standing =
  | { readonly kind: 'newest' }
  /** Not above the newest known session of the same instance. */
  | { readonly kind: 'not_new'; readonly newest: number }
  | { readonly kind: 'other_instance'; readonly newest: number }
  | { readonly kind: 'too_many' }

/**
 * The newest session of each gateway that came here. What it forgets with its process is no loss: the log judges batches, this table only keeps
 * the traffic of sessions that are over from costing anything.
 */
export class SessionTable {
  readonly #newest = new Map<string, GatewaySession>()

  judge({ gateway, instance, session }: { gateway: string; instance: string; session: number }): Standing {
    const known = this.#newest.get(gateway)
    if (!known) return this.#newest.size < GATEWAYS_MAX ? { kind: 'newest' } : { kind: 'too_many' }
    const above = session > known.session
    // A machine that was exchanged comes above, after the old one is gone; a copy comes beside it, or below.
    if (known.instance !== instance && (known.open || !above)) return { kind: 'other_instance', newest: known.session }
    return above ? { kind: 'newest' } : { kind: 'not_new', newest: known.session }
  }

  /** Takes over: the older session of the gateway, if it is here, is closed. */
  enter(session: GatewaySession): void {
    this.#newest.get(session.gateway)?.close('a newer session of this gateway was opened')
    this.#newest.set(session.gateway, session)
  }

  /** Another core opened `session`: an older one here is over. */
  takenOver(gateway: string, session: number): void {
    const known = this.#newest.get(gateway)
    if (known && known.session < session) known.close('another core opened a newer session of this gateway')
  }

  newest(gateway: string): GatewaySession | undefined {
    return this.#newest.get(gateway)
  }

  /** An operator says that whichever instance comes next is the real one. */
  forget(gateway: string): void {
    this.#newest.get(gateway)?.close('an operator asked for it')
    this.#newest.delete(gateway)
  }

  /** Every gateway of which a session is known, open or not. */
  gateways(): string[] {
    return [...this.#newest.keys()]
  }

  open(): GatewaySession[] {
    return [...this.#newest.values()].filter(session => session.open)
  }
}
