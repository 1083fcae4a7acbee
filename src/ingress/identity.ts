import type { PeerIdentity } from '../amqp/amqp.ts'

/** Whether a peer may write as a gateway. Judged by what TLS or SASL proved, never by what a message says. */
export type IdentityRule = (identity: PeerIdentity, gateway: string) => boolean

/** A proven name has to be the gateway's; a peer that proved nothing may come only where no proof is asked for. */
export function identityRule(proof: 'required' | 'optional'): IdentityRule {
  return (identity, gateway) =>
    identity.method === 'anonymous' || identity.name === undefined ? proof === 'optional' : identity.name === gateway
}
