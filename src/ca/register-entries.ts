import { z } from 'zod'

const hash = z.string().min(1).max(64)
const gateway = z.string().min(1).max(64)
const state = z.enum(['allowed', 'revoked'])
const ms = z.number()

/**
 * What happens to a register, in the order in which it happens: everybody who takes the same entries in the same order has the same register, so that
 * several cores need no lock. An entry that does not follow from what was before it counts for nobody.
 */
export const registerEntry = z.discriminatedUnion('kind', [
  /** A token was made. */
  z.object({ kind: z.literal('token'), hash, gateway, expiresMs: ms, atMs: ms }),
  /** Somebody came with it, and this key. Counts where it is good, for its first key, and that one again. */
  z.object({ kind: z.literal('use'), hash, gateway, key: hash, atMs: ms }),
  /** A certificate was signed. Counts where what it was signed for is good: a token that this key has used, or a certificate that is allowed. */
  z.object({
    kind: z.literal('certificate'),
    fingerprint: hash,
    gateway,
    issuedMs: ms,
    endsMs: ms,
    by: z.union([z.object({ token: hash, key: hash }), z.object({ certificate: hash })]),
  }),
  /** Somebody decided over a gateway: over all certificates and tokens that it has. */
  z.object({ kind: z.literal('state'), gateway, state, atMs: ms }),
  /** A gateway proved an opening. Counts where its number is above all before. */
  z.object({ kind: z.literal('session'), gateway, session: z.int() }),
  /** What a register held before it was shared. Whoever was sent away in one of two stays away. */
  z.object({ kind: z.literal('kept token'), hash, gateway, expiresMs: ms, key: z.string().max(64).nullable() }),
  z.object({ kind: z.literal('kept certificate'), fingerprint: hash, gateway, issuedMs: ms, endsMs: ms, state }),
])
export type RegisterEntry = z.output<typeof registerEntry>
export type EntryOf<Kind extends RegisterEntry['kind']> = Extract<RegisterEntry, { kind: Kind }>
