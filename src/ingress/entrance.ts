import type { GatewaySession } from './gateway-session.ts'
import type { OpeningRequest } from './openings.ts'

/** What an entrance hands to the ingress, and asks of it. */
export interface EntranceHost {
  opening(request: OpeningRequest): void
  /** The gateway's newest session that was opened here. */
  newest(gateway: string): GatewaySession | undefined
  /** Another core opened this session: what is older here is over. */
  takenOver(gateway: string, session: number): void
}

/** Where gateways come in: a listener of our own; a router or a broker is another one. */
export interface Entrance {
  start(host: EntranceHost): Promise<void>
  /** No opening and no data link is taken from here on. */
  stop(): void
  /** Where it listens itself: shows another certificate from now on. */
  renewTls?(material: { cert: string; key: string; ca: string }): void
  /** Ends every connection. */
  close(): Promise<void>
  /** Where it listens or is connected to. */
  readonly url: string | undefined
}
