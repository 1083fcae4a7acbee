import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import rhea, {
  type Container,
  type Connection as RheaConnection,
  type Sender as RheaSender,
  type Session as RheaSession,
} from 'rhea'

/*
  The one file that knows what rhea 3.0.5 has inside, and mends it:
    - lib/session.js, write_dispositions: a run of one element is not compared with what follows, so that "accept, release" in one tick arrives as
      "accept, accept".
    - lib/session.js, Incoming.on_transfer: knows no aborted transfer.
    - lib/link.js, Sender.sendable: counts credit that is spoken for by deliveries which wait to be transferred.
*/

const require = createRequire(import.meta.url)
const frames = require('rhea/lib/frames.js') as { disposition(fields: object): object }

/** AMQP 1.0 part 3, 3.4.2: the descriptor of `accepted`. */
const ACCEPTED = 0x24

interface IncomingDelivery {
  readonly id: number
  settled: boolean
  readonly state?: { readonly descriptor?: { readonly value?: unknown } }
  readonly link: { readonly session: SessionInside }
}

interface TransferFrame {
  readonly performative: { readonly aborted?: boolean; readonly handle: number }
}

interface SessionInside {
  readonly incoming: { updated: IncomingDelivery[]; next_transfer_id: number; process(session: unknown): void }
  readonly outgoing: { readonly next_delivery_id: number; readonly next_pending_delivery: number; available(): number }
  readonly remote: {
    readonly handles: Record<number, { _incomplete?: IncomingDelivery | undefined; credit: number; delivery_count: number }>
  }
  output(frame: object): void
  on_transfer(frame: TransferFrame): void
}

interface ConnectionInside {
  readonly socket?: Socket
  input(bytes: Buffer): void
  accept(socket: Socket): void
  _disconnected(error?: Error): void
}

const inside = (session: RheaSession) => session as unknown as SessionInside
const within = (connection: RheaConnection) => connection as unknown as ConnectionInside

/** Makes a session tell the outcomes that were decided, and survive a transfer that its sender gave up. */
export function mendSession(session: RheaSession): void {
  const { incoming } = inside(session)
  const process = incoming.process
  incoming.process = function (this: SessionInside['incoming'], of: unknown) {
    const updated = this.updated
    this.updated = []
    writeDispositions(updated)
    process.call(this, of)
  }
  const onTransfer = inside(session).on_transfer
  inside(session).on_transfer = function (this: SessionInside, frame: TransferFrame) {
    if (frame.performative.aborted) forgetAborted(this, frame)
    else onTransfer.call(this, frame)
  }
}

/** One disposition for each run of accepted deliveries with consecutive ids, one for every other delivery (AMQP 1.0 part 2, 2.7.6). */
function writeDispositions(updated: readonly IncomingDelivery[]): void {
  const accepted = (delivery: IncomingDelivery | undefined) => delivery?.state?.descriptor?.value === ACCEPTED
  for (let from = 0; from < updated.length; ) {
    const first = updated[from]
    if (!first) return
    let to = from
    let last = first
    for (let next = updated[to + 1]; next && accepted(first) && accepted(next); next = updated[to + 1]) {
      if (next.id !== last.id + 1 || next.settled !== last.settled || next.link.session !== first.link.session) break
      last = next
      to += 1
    }
    const { state, settled } = first
    first.link.session.output(frames.disposition({ role: true, first: first.id, last: last.id, state, settled }))
    from = to + 1
  }
}

/** AMQP 1.0 part 2, 2.7.5: an aborted delivery is settled by being aborted, and what came of it is discarded. */
function forgetAborted(session: SessionInside, frame: TransferFrame): void {
  session.incoming.next_transfer_id += 1
  const link = session.remote.handles[frame.performative.handle]
  if (!link?._incomplete) return
  link._incomplete.settled = true
  link._incomplete = undefined
  link.delivery_count += 1
  link.credit = Math.max(0, link.credit - 1)
}

/** Deliveries of a session that were sent by us and wait for credit or for the peer's window. */
export function untransferred(session: RheaSession): number {
  const { next_delivery_id, next_pending_delivery } = inside(session).outgoing
  return next_delivery_id - next_pending_delivery
}

/** The credit that the peer has given a sender; it falls only when a delivery is transferred. */
export function creditOf(sender: RheaSender): number {
  return (sender as unknown as { credit: number }).credit
}

/** Deliveries that the session still has places for. */
export function placesLeft(session: RheaSession): number {
  return inside(session).outgoing.available()
}

/** Puts `check` before everything that rhea reads; where it returns a reason, rhea never sees the bytes. Call before the connection has its socket. */
export function guardInput(
  connection: RheaConnection,
  check: (bytes: Buffer) => string | undefined,
  refuse: (reason: string) => void,
): void {
  const input = within(connection).input
  within(connection).input = function (this: ConnectionInside, bytes: Buffer) {
    const reason = check(bytes)
    if (reason === undefined) input.call(this, bytes)
    else refuse(reason)
  }
}

export function socketOf(connection: RheaConnection): Socket | undefined {
  return within(connection).socket
}

/** Hands an accepted socket to rhea. */
export function acceptSocket(connection: RheaConnection, socket: Socket): void {
  within(connection).accept(socket)
}

/** Ends rhea's timers and links at once: it does not notice a socket that was destroyed. */
export function markDisconnected(connection: RheaConnection): void {
  within(connection)._disconnected()
}

export function createContainer(id: string): Container {
  return rhea.create_container({ id })
}
