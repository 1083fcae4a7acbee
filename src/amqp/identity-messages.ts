import { z } from 'zod'
import { PROTOCOL_VERSION } from './messages.ts'

const PEM_MAX = 16 * 1024
const pem = z.string().min(1).max(PEM_MAX)
const name = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/)

/** What a gateway asks at `headrace/identity`; docs/protocol.md, "Identity". */
export const identityRequestSchema = z.discriminatedUnion('ask', [
  /** A first certificate, for whoever has a token. */
  z.object({
    version: z.literal(PROTOCOL_VERSION),
    ask: z.literal('enroll'),
    gateway: name,
    secret: z.string().min(1).max(64),
    request: pem,
  }),
  /** Whether this certificate is to be renewed: the core's clock is the one that counts. */
  z.object({ version: z.literal(PROTOCOL_VERSION), ask: z.literal('look'), certificate: pem }),
  /** The next certificate, for whoever holds the key of this one; `signature` is over the request. */
  z.object({
    version: z.literal(PROTOCOL_VERSION),
    ask: z.literal('renew'),
    certificate: pem,
    request: pem,
    signature: z.string().min(1).max(1_024),
  }),
])
export type IdentityRequest = z.output<typeof identityRequestSchema>

export const identityReplySchema = z.union([
  z.object({
    version: z.literal(PROTOCOL_VERSION),
    error: z.object({ code: z.string(), message: z.string(), advice: z.string() }),
  }),
  z.object({ version: z.literal(PROTOCOL_VERSION), due: z.boolean() }),
  /** Leaf first, without the root. */
  z.object({ version: z.literal(PROTOCOL_VERSION), chain: pem, root: pem }),
])
export type IdentityReply = z.output<typeof identityReplySchema>

/** Application properties of an opening that comes by way of routers or brokers: who made it, proven by a signature over its body. */
export const PROOF = { certificate: 'certificate', signature: 'signature' } as const
