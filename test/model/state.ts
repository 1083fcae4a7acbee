import type { CutBatch } from '../../src/buffer/buffer.ts'
import type { standingOf } from '../../src/ingress/gate.ts'
import { BATCHES_IN_FLIGHT_PER_SOURCE_MAX, Flight } from '../../src/link/flight.ts'
import type { decideOpening } from '../../src/link/opening.ts'

/** What a number holds: 0 and up, the device's record; below that, what no device of this gateway said. */
export const PLACEHOLDER = -1
export const INTRUDER = -2
/** The gateway settled it and keeps it no more. */
export const FORGOTTEN = -3

/** A batch of one record, and the session that carried it. */
export interface Carried {
  seq: number
  holds: number
  session: number
}

export interface IngressState {
  /** The newest session opened here. */
  session: number
  open: boolean
  /** Stopped as by SIGSTOP: what it holds stays, what comes waits. */
  stopped: boolean
  inbox: Carried[]
  queue: Carried[]
  /** The end of the partition on proof; null where it has to be read. */
  end: number | null
  fresh: boolean
  /** The head was ahead once, and the end was read again for it. */
  reread: boolean
  /** Written to the log and not judged; `epochs` is the leader's that it was written to. */
  pending: (Carried & { leader: number }) | null
  frozen: boolean
}

export interface State {
  left: number
  /** The device's next record. */
  given: number
  /** By sequence: what was cut there. */
  cut: number[]
  settled: number
  /** Of the batches from `settled` on: waiting, sent, accepted. */
  flight: ('w' | 's' | 'a')[]
  returned: boolean
  session: number
  phase: 'closed' | 'asking' | 'open'
  at: number
  told: { end: number; last: number | null; leader: number } | null
  opened: boolean
  frozen: string | null
  outcomes: { seq: number; session: number; what: 'accepted' | 'released' | 'rejected' }[]
  ingresses: IngressState[]
  log: number[]
  leader: number
  /** Offsets that the leader remembers of the producer; null where it knows nothing of it. */
  memory: number[] | null
  /** Faults that may still happen, by kind. */
  faults: Record<Fault, number>
  /** The log lost its tail, and the gateway has not been told since. */
  cutBack: boolean
  /** The log lost its tail at some time. */
  lost: boolean
  intruded: boolean
}

export const FAULTS = [
  'connection lost',
  'ingress stopped',
  'ingress killed',
  'gateway killed',
  'answer lost',
  'request lost',
  'producer forgotten',
  'tail lost',
  'intruder',
  'clone',
] as const
export type Fault = (typeof FAULTS)[number]

/** The rules under search. The real ones are the code's own; a model with another one has to break. */
export interface Rules {
  readonly decide: typeof decideOpening
  readonly standing: typeof standingOf
  /** What is in flight of a source, with these batches in these states. */
  readonly flight: (state: State) => Flight
  /** Batches of a source unsettled at once. The real bound is {@link BATCHES_IN_FLIGHT_PER_SOURCE_MAX}; the leader of the model remembers as many. */
  readonly window: number
  /** A proof of the end that is older than the leader's memory is void. */
  readonly proofsExpire: boolean
  /** The offset in an answer has to be the number. */
  readonly offsetIsJudge: boolean
  /** What lies in the log at a batch's numbers is looked at before the batch is said to be there. */
  readonly compares: boolean
  /** Outcomes of sessions that are over are not listened to. */
  readonly deaf: boolean
  /** What an ingress holds of a session that is over is not passed on. */
  readonly takeover: boolean
  /** Numbers are on disk before their batch is sent. */
  readonly cutOnDisk: boolean
  /** Settled are batches that were accepted, not those that were released. */
  readonly onlyAccepted: boolean
}

export function initial(records: number, faults: Partial<Record<Fault, number>>): State {
  const none = Object.fromEntries(FAULTS.map(fault => [fault, 0])) as Record<Fault, number>
  const ingress = (): IngressState => ({
    session: 0,
    open: false,
    stopped: false,
    inbox: [],
    queue: [],
    end: null,
    fresh: false,
    reread: false,
    pending: null,
    frozen: false,
  })
  return {
    left: records,
    given: 0,
    cut: [],
    settled: 0,
    flight: [],
    returned: false,
    session: 0,
    phase: 'closed',
    at: 0,
    told: null,
    opened: false,
    frozen: null,
    outcomes: [],
    ingresses: [ingress(), ingress()],
    log: [],
    leader: 0,
    memory: null,
    faults: { ...none, ...faults },
    cutBack: false,
    lost: false,
    intruded: false,
  }
}

const NO_BYTES = Buffer.alloc(0)

export function batchOf(seq: number): CutBatch {
  return { source: 'source-1', sequence: seq, count: 1, bytes: NO_BYTES, epoch: 0, crc: 0 }
}

const kept = new Map<number, CutBatch>()

/** The same object for the same number: a flight knows its batches by identity. */
export function batchAt(seq: number): CutBatch {
  const batch = kept.get(seq) ?? batchOf(seq)
  kept.set(seq, batch)
  return batch
}

/** The real {@link Flight}, brought into the state that the model is in. */
export function flightOf({ settled, flight, returned }: State, make: () => Flight = () => new Flight()): Flight {
  const real = make()
  for (const at of flight.keys()) real.add(batchAt(settled + at))
  for (const [at, state] of flight.entries()) {
    if (state === 'w') continue
    real.markSent(batchAt(settled + at))
  }
  for (const [at, state] of flight.entries()) if (state === 'a') real.markAccepted(batchAt(settled + at))
  const waiting = flight.indexOf('w')
  if (returned && waiting >= 0) {
    real.markSent(batchAt(settled + waiting))
    real.markReturned(batchAt(settled + waiting))
  }
  return real
}

/** Small, so that the search ends; the leader of the model remembers as many. */
export const MODEL_WINDOW = Math.min(2, BATCHES_IN_FLIGHT_PER_SOURCE_MAX)

/** The same state for all that differ in names only: which ingress is the first, and what numbers sessions have. */
export function canonical(state: State): string {
  const numbers = new Set([state.session])
  for (const { session, inbox, queue, pending } of state.ingresses) {
    for (const carried of [...inbox, ...queue]) numbers.add(carried.session)
    if (pending) numbers.add(pending.session)
    numbers.add(session)
  }
  for (const { session } of state.outcomes) numbers.add(session)
  const rank = new Map([...numbers].sort((a, b) => a - b).map((session, index) => [session, index]))
  const renamed = <T extends { session: number }>(one: T): T => ({ ...one, session: rank.get(one.session) ?? 0 })
  const ingresses = state.ingresses.map(ingress => {
    const { inbox, queue, pending } = ingress
    return renamed({ ...ingress, inbox: inbox.map(renamed), queue: queue.map(renamed), pending: pending && renamed(pending) })
  })
  const texts = ingresses.map(ingress => JSON.stringify(ingress))
  const swap = state.phase === 'closed' ? (texts[0] ?? '') > (texts[1] ?? '') : state.at === 1
  if (swap) ingresses.reverse()
  const at = state.phase === 'closed' ? 0 : swap ? 1 - state.at : state.at
  return JSON.stringify(renamed({ ...state, at, ingresses, outcomes: state.outcomes.map(renamed) }))
}
