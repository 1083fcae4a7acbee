import type { EventEmitter } from 'node:events'
import { createRequire } from 'node:module'
import type { Delivery as RheaDelivery, Sender as RheaSender, Session as RheaSession } from 'rhea'
import { assertProtocol, checkMessage } from './encoded-values.ts'
import { LateDeliveries, type Ring } from './late-deliveries.ts'
import { MESSAGE_BYTES_MAX, SETTLED_AT_ONCE_MAX, UNFINISHED_PER_PEER_MAX } from './limits.ts'

/*
  What sessions and links of rhea 3.0.5 have inside, mended:
    - lib/session.js, write_dispositions: a run of one element is not compared with what follows, so that "accept, release" in one tick arrives as
      "accept, accept".
    - lib/session.js, Incoming.on_transfer: knows no aborted transfer, takes messages that it gave no credit for, and a first one without a number,
      which throws when it is settled; keeps the frames of a message that never ends.
    - lib/session.js, on_disposition: walks from the first to the last number that a peer names, if that takes minutes.
      A delivery that was not sent is settled all the same, and everything behind it is stuck.
    - lib/session.js, on_detach, and lib/link.js, on_attach: keep the handle of a link for as long as its session stands.
    - lib/session.js, on_end: tells nothing to the links of a session that its peer ended.
    - lib/link.js, on_flow: a receiver lets its sender say how much credit it has; a sender whose credit comes before its attach was seen has none.
    - lib/session.js, Outgoing.send: cuts a message without end where the peer asks for frames of fewer than 50 bytes.
    - lib/link.js, _get_drain: nobody who asks for his credit back is answered.
    - lib/session.js, CircularBuffer: gives back the place of what is settled only once all before it is: see late-deliveries.ts.
    - lib/link.js, Sender.sendable: counts credit that is spoken for by deliveries which wait to be transferred.
*/

const frames = createRequire(import.meta.url)('rhea/lib/frames.js') as { disposition(fields: object): object }

/** AMQP 1.0 part 3, 3.4.2: the descriptor of `accepted`. */
const ACCEPTED = 0x24
/** What a frame that is kept costs beside its bytes, about. */
const FRAME_COST_BYTES = 256

interface IncomingDelivery {
  readonly id: number
  settled: boolean
  readonly state?: { readonly descriptor?: { readonly value?: unknown } }
  readonly link: { readonly session: SessionInside }
  frames: Buffer[]
}

interface TransferFrame {
  readonly size: number
  readonly performative: {
    readonly aborted?: boolean
    readonly more?: boolean
    readonly handle: number
    readonly message_format?: number
    readonly delivery_id?: number | null
  }
  payload?: Buffer
}

interface DispositionFrame {
  readonly performative: {
    readonly role: boolean
    readonly first: number
    readonly last?: number | null
    readonly settled?: boolean | undefined
    readonly state?: object | undefined
  }
}

interface FlowFrame {
  readonly performative: {
    readonly handle?: number | null
    delivery_count?: number | null
    link_credit?: number | null
    readonly drain?: boolean
  }
}

interface AttachFrame {
  readonly performative: { readonly name: string; readonly handle: number }
}

interface LinkInside {
  _incomplete?: IncomingDelivery | undefined
  credit: number
  delivery_count: number
  readonly remote: { readonly detach?: object }
  readonly state: { readonly local_open: boolean; has_settled(): boolean; mark(marker: string): void }
  is_receiver(): boolean
  remove(): void
}

/** All that rhea asks of it. */
type Deliveries<Delivery extends { readonly id: number }> = Ring<Delivery> | LateDeliveries<Delivery>

interface SessionInside {
  readonly incoming: {
    updated: IncomingDelivery[]
    next_transfer_id: number
    deliveries: Deliveries<IncomingDelivery>
    process(session: unknown): void
  }
  readonly outgoing: {
    readonly next_delivery_id: number
    readonly next_pending_delivery: number
    deliveries: Deliveries<{ readonly id: number; readonly next_to_send: number }>
    available(): number
    process(): void
  }
  readonly remote: { readonly handles: Record<number, LinkInside>; readonly end?: { readonly error?: unknown } }
  readonly links: Record<string, LinkInside>
  readonly observers: EventEmitter
  output(frame: object): void
  on_attach(frame: AttachFrame): void
  on_detach(frame: AttachFrame): void
  on_end(frame: object): void
  on_flow(frame: FlowFrame): void
  on_transfer(frame: TransferFrame): void
  on_disposition(frame: DispositionFrame): void
}

const inside = (session: RheaSession) => session as unknown as SessionInside

/** What a peer has begun to send and not ended, over all links of its connection. */
export class Unfinished {
  bytes = 0
  /** Rises with every message that was ended. */
  ended = 0
  readonly #byDelivery = new WeakMap<IncomingDelivery, number>()

  /** Counts a frame of a delivery that goes on. Throws where it, or all of them, became too large. */
  add(delivery: IncomingDelivery, bytes: number): void {
    const sum = (this.#byDelivery.get(delivery) ?? 0) + bytes
    this.#byDelivery.set(delivery, sum)
    this.bytes += bytes
    assertProtocol(sum <= MESSAGE_BYTES_MAX, `a message has more than ${MESSAGE_BYTES_MAX} bytes`)
    assertProtocol(this.bytes <= UNFINISHED_PER_PEER_MAX, `more than ${UNFINISHED_PER_PEER_MAX} bytes of messages are not ended`)
  }

  end(delivery: IncomingDelivery | undefined): void {
    this.ended += 1
    this.forget(delivery)
  }

  /** It goes with its link: nothing more comes of it. */
  forget(delivery: IncomingDelivery | undefined): void {
    if (!delivery) return
    this.bytes -= this.#byDelivery.get(delivery) ?? 0
    this.#byDelivery.delete(delivery)
  }
}

/**
 * Makes a session tell the outcomes that were decided, survive a transfer that its sender gave up, and end the connection of a peer that sends what
 * it may not: an exception in here does that.
 */
export function mendSession(session: RheaSession, unfinished: Unfinished): void {
  const { incoming, outgoing } = inside(session)
  keepPlaces(incoming)
  keepPlaces(outgoing)
  const process = incoming.process
  incoming.process = function (this: SessionInside['incoming'], of: unknown) {
    const updated = this.updated
    this.updated = []
    writeDispositions(updated)
    process.call(this, of)
  }
  const onTransfer = inside(session).on_transfer
  inside(session).on_transfer = function (this: SessionInside, frame: TransferFrame) {
    const before = this.remote.handles[frame.performative.handle]?._incomplete
    if (frame.performative.aborted) {
      unfinished.end(before)
      forgetAborted(this, frame)
      return
    }
    checkTransfer(this, frame)
    if (!frame.performative.more) unfinished.end(before)
    onTransfer.call(this, frame)
    const after = this.remote.handles[frame.performative.handle]?._incomplete
    if (after && frame.performative.more) unfinished.add(after, frame.size + FRAME_COST_BYTES)
  }
  /** The outcome of what has not been sent whole, which is told once it has. */
  let early: DispositionFrame | undefined
  const onDisposition = inside(session).on_disposition
  inside(session).on_disposition = function (this: SessionInside, frame: DispositionFrame) {
    const { role, first, last } = frame.performative
    assertProtocol((last ?? first) - first < SETTLED_AT_ONCE_MAX, `a disposition names the deliveries from ${first} to ${last}`)
    const sent = role ? withoutWhatIsBeingSent(this, frame, held => (early = held)) : frame
    if (sent) onDisposition.call(this, sent)
  }
  const processOutgoing = outgoing.process
  outgoing.process = function (this: SessionInside['outgoing']) {
    processOutgoing.call(this)
    if (!early || early.performative.first >= this.next_pending_delivery) return
    const told = early
    early = undefined
    onDisposition.call(inside(session), told)
  }
  mendLinks(inside(session), unfinished)
}

/** Call before the session has had deliveries. */
function keepPlaces<Delivery extends { readonly id: number }>(half: { deliveries: Deliveries<Delivery> }): void {
  if (!(half.deliveries instanceof LateDeliveries)) half.deliveries = new LateDeliveries(half.deliveries)
}

/** What a disposition says of deliveries that were sent whole; `hold` is given what it says of the one that is being sent. */
function withoutWhatIsBeingSent(
  { outgoing }: SessionInside,
  { performative: { role, first, last, settled, state } }: DispositionFrame,
  hold: (frame: DispositionFrame) => void,
): DispositionFrame | undefined {
  const to = last ?? first
  const current = outgoing.next_pending_delivery
  const isBegun = (outgoing.deliveries.by_id(current)?.next_to_send ?? 0) > 0
  assertProtocol(to < current || (to === current && isBegun), 'a message was settled that was not sent')
  if (to === current) hold({ performative: { role, first: current, last: current, settled, state } })
  const before = Math.min(to, current - 1)
  return first <= before ? { performative: { role, first, last: before, settled, state } } : undefined
}

/** Links of a peer's making: what it may say of their credit, and that nothing is kept of those that are gone. */
function mendLinks(session: SessionInside, unfinished: Unfinished): void {
  const { on_attach: onAttach, on_detach: onDetach, on_end: onEnd, on_flow: onFlow } = session
  session.on_attach = function (this: SessionInside, frame: AttachFrame) {
    const known = this.links[frame.performative.name]
    if (known?.remote.detach) {
      const isOver = !known.state.local_open && known.state.has_settled()
      assertProtocol(isOver, 'a link was attached again before it was detached at both ends')
      // Else it would be removed later, and the one of the same name with it.
      known.state.mark('removed')
      known.remove()
    }
    onAttach.call(this, frame)
  }
  session.on_end = function (this: SessionInside, frame: object) {
    for (const { _incomplete } of Object.values(this.remote.handles)) unfinished.forget(_incomplete)
    onEnd.call(this, frame)
  }
  session.on_detach = function (this: SessionInside, frame: AttachFrame) {
    unfinished.forget(this.remote.handles[frame.performative.handle]?._incomplete)
    onDetach.call(this, frame)
    delete this.remote.handles[frame.performative.handle]
  }
  session.on_flow = function (this: SessionInside, frame: FlowFrame) {
    const { performative } = frame
    const link = this.remote.handles[performative.handle ?? -1]
    if (link?.is_receiver()) assertProtocol(!(performative.drain && performative.link_credit), 'a sender gave itself credit')
    // Whoever gives credit before it has seen the attach does not know the count yet (AMQP 1.0 part 2, 2.7.4).
    else if (link) performative.delivery_count ??= 0
    onFlow.call(this, frame)
  }
}

/** Calls when the peer has ended the session, with the error that it gave; what is given back ends that. */
export function onSessionEnd(session: RheaSession, call: (error: unknown) => void): () => void {
  const { observers } = inside(session)
  const ended = () => call(inside(session).remote.end?.error)
  // One for each link, of which there is a bound.
  observers.setMaxListeners(0)
  observers.on('session_close', ended)
  return () => void observers.off('session_close', ended)
}

/** A delivery needs credit and a number to begin, and has to be a message when it ends (AMQP 1.0 part 2, 2.6.7 and 2.7.5; part 3, 3.2). */
function checkTransfer(session: SessionInside, frame: TransferFrame): void {
  const { handle, more, message_format: format, delivery_id: id } = frame.performative
  const link = session.remote.handles[handle]
  const begun = link?._incomplete
  if (link && !begun) assertProtocol(link.credit > 0, 'a message was sent without credit')
  // To settle one that has none throws later, where it cannot be told whose it was.
  if (!begun) assertProtocol(typeof id === 'number', 'a delivery was begun without its number')
  assertProtocol((format ?? 0) === 0, `message format ${format} is not known`)
  if (more) return
  // Put together once: what has one frame rhea takes as it is.
  if (begun) frame.payload = Buffer.concat([...begun.frames.splice(0), frame.payload ?? Buffer.alloc(0)])
  checkMessage(frame.payload ?? Buffer.alloc(0))
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

/** What is left of the credit, once what there is to send has had some, is given back to whoever asks for that (AMQP 1.0 part 2, 2.6.7). */
export function giveBackWhenDrained(sender: RheaSender): void {
  const link = sender as unknown as { credit: number; delivery_count: number; _draining: boolean; _get_drain(): boolean }
  // rhea's own counts it down one by one: four thousand million take seconds, fewer than none for ever.
  link._get_drain = () => {
    if (!link._draining || link.credit <= 0) return false
    link.delivery_count += link.credit
    link.credit = 0
    return true
  }
  sender.on('sender_draining', () => sender.set_drained(true))
}

/** What it carried is needed no more; it is itself kept until all before it are settled. */
export function letGoOfBody(delivery: RheaDelivery): void {
  ;(delivery as unknown as { data: unknown[] }).data.length = 0
}

/** Deliveries that the session still has places for. */
export function placesLeft(session: RheaSession): number {
  return inside(session).outgoing.available()
}
