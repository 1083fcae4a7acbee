import { createHash, randomBytes } from 'node:crypto'
import { z } from 'zod'
import { HeadraceError } from '../runtime/errors.ts'
import { NAME_PATTERN } from '../runtime/names.ts'

/** What every token begins with, so that it is known for one where it turns up. */
const PREFIX = 'hr1.'
/** 128 bits: nobody guesses it, however often they may try. */
const SECRET_BYTES = 16

/*
  hr1.<base64url of JSON>
    g  the gateway's name
    s  a secret, good for one key of that gateway
    f  SHA-256 of the root certificate, base64url: whom to trust, before anything was said
    u  where to enrol, if the core's address was told when the token was made
*/
const contentSchema = z.object({
  g: z.string().regex(NAME_PATTERN),
  s: z.string().min(16).max(64),
  f: z.string().length(43),
  u: z.array(z.string()).max(16).optional(),
})

export interface Token {
  readonly gateway: string
  readonly secret: string
  readonly root: string
  readonly urls: readonly string[]
}

export function newSecret(): string {
  return randomBytes(SECRET_BYTES).toString('base64url')
}

/** What the authority keeps of a secret. */
export function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url')
}

export function encodeToken({ gateway, secret, root, urls }: Token): string {
  const content = { g: gateway, s: secret, f: root, ...(urls.length > 0 && { u: urls }) }
  return PREFIX + Buffer.from(JSON.stringify(content)).toString('base64url')
}

/** Throws `config_invalid`; what it says never holds the token. */
export function decodeToken(text: string): Token {
  try {
    if (!text.startsWith(PREFIX)) throw new Error('it does not begin with hr1.')
    const { g, s, f, u } = contentSchema.parse(JSON.parse(Buffer.from(text.slice(PREFIX.length), 'base64url').toString('utf8')))
    return { gateway: g, secret: s, root: f, urls: u ?? [] }
  } catch {
    throw new HeadraceError('config_invalid', 'the enrolment token cannot be read', {
      advice: 'Copy it whole, as `headrace ca token` printed it: it begins with hr1. and is one line.',
    })
  }
}
