import type { Connection } from '../amqp/amqp.ts'
import { askOnce } from '../amqp/ask.ts'
import { type IdentityReply, type IdentityRequest, identityReplySchema } from '../amqp/identity-messages.ts'
import { ADDRESS, PROTOCOL_VERSION, QUEUE, QUEUE_CAPABILITIES } from '../amqp/messages.ts'
import { readJson } from '../amqp/read-json.ts'
import type { Clock } from '../runtime/clock.ts'
import { HeadraceError } from '../runtime/errors.ts'
import { takeIssued } from './gateway-identity.ts'
import { prove } from './proof.ts'

/** How long the core may take to answer, ms. */
const ANSWER_LIMIT_MS = 5_000

/** Where a gateway asks, by what stands at the other end. */
export function questionAddress(mode: 'direct' | 'router' | 'broker'): { address: string; capabilities?: readonly string[] } {
  return mode === 'broker' ? { address: QUEUE.identity, capabilities: QUEUE_CAPABILITIES } : { address: ADDRESS.identity }
}

export interface Asking {
  readonly connection: Connection
  readonly clock: Clock
  readonly at: ReturnType<typeof questionAddress>
}

/** Asks, and gives what the core answered. Rejects with `link_refused` where it refuses. */
async function ask(
  { connection, clock, at }: Asking,
  request: IdentityRequest,
): Promise<Exclude<IdentityReply, { error: unknown }>> {
  const body = await askOnce(connection, clock, { ...at, body: Buffer.from(JSON.stringify(request)), timeoutMs: ANSWER_LIMIT_MS })
  const message = readJson(identityReplySchema, body)
  if ('wrong' in message) throw new HeadraceError('protocol_violation', `the core's answer cannot be read: ${message.wrong}`)
  const reply = message.read
  if ('error' in reply) throw new HeadraceError('link_refused', reply.error.message, { advice: reply.error.advice })
  return reply
}

/** The content of an identity file, for a token. */
export async function askToEnroll(
  asking: Asking,
  token: { gateway: string; secret: string; root: string },
  key: string,
): Promise<string> {
  const { newRequest } = await import('./certificates.ts')
  const { gateway, secret, root } = token
  const request = await newRequest(key, gateway)
  const reply = await ask(asking, { version: PROTOCOL_VERSION, ask: 'enroll', gateway, secret, request })
  if (!('chain' in reply)) throw new HeadraceError('protocol_violation', 'the core answered another question')
  return takeIssued(reply, { gateway, key, root })
}

/** Whether the core's clock says that this certificate is to be renewed. */
export async function askWhetherDue(asking: Asking, certificate: string): Promise<boolean> {
  const reply = await ask(asking, { version: PROTOCOL_VERSION, ask: 'look', certificate })
  return 'due' in reply && reply.due
}

/** The content of the next identity file, under a new key, for whoever holds the key of this one. */
export async function askToRenew(
  asking: Asking,
  own: { gateway: string; key: string; certificate: string; root: string },
): Promise<string> {
  // They take 20 MB that are needed six times a year.
  const { newKey, newRequest } = await import('./certificates.ts')
  const { gateway, certificate, root } = own
  const key = await newKey()
  const request = await newRequest(key, gateway)
  const signature = prove(own.key, 'renew', Buffer.from(request))
  const reply = await ask(asking, { version: PROTOCOL_VERSION, ask: 'renew', certificate, request, signature })
  if (!('chain' in reply)) throw new HeadraceError('protocol_violation', 'the core answered another question')
  return takeIssued(reply, { gateway, key, root })
}
