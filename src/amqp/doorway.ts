import type { Socket } from 'node:net'
import type { Clock, Timer } from '../runtime/clock.ts'
import type { SparingLog } from '../runtime/sparing-log.ts'
import { type Rate, TokenBucket } from '../runtime/token-bucket.ts'
import { Crowd, placeOf } from './crowd.ts'
import { OPEN_LIMIT_MS } from './limits.ts'

export interface DoorwayLimits {
  /** Peers that wait for their turn. */
  readonly waitingMax: number
  /** So long they wait, ms: whoever dialled gives up about then. */
  readonly waitMs: number
  /** Peers that have begun and are not open. */
  readonly begunMax: number
  /** A handshake costs about a millisecond and a half of the thread that takes honest records too. */
  readonly begins: Rate
  /** From its turn to its `open`, ms. */
  readonly openLimitMs: number
  /** Where all places are taken and others wait, one that has not opened for so long goes, ms: an honest handshake takes a fraction of it. */
  readonly crowdedAfterMs: number
}

export const DOORWAY: DoorwayLimits = {
  waitingMax: 2_048,
  waitMs: 4_000,
  begunMax: 256,
  begins: { perSecond: 100, burst: 100 },
  openLimitMs: OPEN_LIMIT_MS,
  crowdedAfterMs: 1_500,
}

/** Places from which somebody came with a certificate that is good: remembered so many, those of late. */
const KNOWN_PLACES_MAX = 4_096

interface Guest {
  readonly socket: Socket
  readonly place: string
  sinceMs: number
  limit: Timer
}

/**
 * What a listener lets strangers cost it, before anything is known of them.
 *
 *   WAITING ──its place's turn, and the rate──► BEGUN ──open──► through
 *      │ 4 s, or most come from its place          │ 5 s, or others wait and most come from its place
 *      └──────────────────────► cut off ◄──────────┘
 *
 * One that waits costs a socket of which nothing is read. Turns are taken by address, so that a thousand peers of one address have one turn in as many
 * as any other; and every other turn is of an address that somebody came from who was known.
 */
export class Doorway {
  readonly #limits: DoorwayLimits
  readonly #begin: (socket: Socket) => void
  readonly #clock: Clock
  readonly #log: SparingLog
  readonly #bucket: TokenBucket
  readonly #waiting = { known: new Crowd<Guest>(), others: new Crowd<Guest>() }
  readonly #begun = new Crowd<Guest>()
  /** Those that have begun, by address and port. */
  readonly #guests = new Map<string, Guest>()
  readonly #knownPlaces = new Set<string>()
  #turn: 'known' | 'others' = 'known'
  #timer: Timer | undefined

  constructor(limits: DoorwayLimits, begin: (socket: Socket) => void, clock: Clock, log: SparingLog) {
    this.#limits = limits
    this.#begin = begin
    this.#clock = clock
    this.#log = log
    this.#bucket = new TokenBucket(limits.begins, clock)
  }

  /** Takes a socket of which nothing was read yet. */
  arrive(socket: Socket): void {
    socket.on('error', () => socket.destroy())
    const { remoteAddress } = socket
    // Gone already.
    if (remoteAddress === undefined) return void socket.destroy()
    const place = placeOf(remoteAddress)
    const { waitingMax, waitMs } = this.#limits
    if (this.#waiting.known.size + this.#waiting.others.size >= waitingMax && !this.#makeRoom(place)) {
      this.#cutOff(socket, 'too many wait, and most of them come from there')
      return
    }
    const guest: Guest = {
      socket,
      place,
      sinceMs: this.#clock.monotonicMs(),
      limit: this.#clock.after(waitMs, () => this.#sendAway(guest, 'its turn did not come'), 'background'),
    }
    const key = keyOf(socket)
    this.#guests.set(key, guest)
    socket.once('close', () => {
      if (this.#guests.get(key) === guest) this.#guests.delete(key)
      this.#forget(guest)
      this.#goOn()
    })
    this.#waiting[this.#knownPlaces.has(place) ? 'known' : 'others'].add(place, guest)
    this.#goOn()
  }

  /** The peer behind that address and port is open: it is counted elsewhere from here on. */
  opened(
    socket: { readonly remoteAddress?: string | undefined; readonly remotePort?: number | undefined },
    who: 'known' | 'others',
  ): void {
    const guest = this.#guests.get(keyOf(socket))
    if (!guest) return
    this.#forget(guest)
    if (who === 'known') {
      this.#knownPlaces.delete(guest.place)
      this.#knownPlaces.add(guest.place)
      const [longestAgo] = this.#knownPlaces
      if (this.#knownPlaces.size > KNOWN_PLACES_MAX && longestAgo !== undefined) this.#knownPlaces.delete(longestAgo)
    }
    this.#goOn()
  }

  /** Nobody comes in any more. */
  close(): void {
    this.#timer?.cancel()
    for (const { socket } of this.#guests.values()) socket.destroy()
  }

  #goOn(): void {
    this.#timer?.cancel()
    for (let next = this.#next(); next; next = this.#next()) {
      const waitMs = this.#bucket.inMs(1) || this.#untilRoom(next.place)
      if (waitMs > 0) {
        this.#timer = this.#clock.after(waitMs, () => this.#goOn(), 'background')
        return
      }
      this.#start(next)
    }
  }

  #next(): Guest | undefined {
    const other = this.#turn === 'known' ? 'others' : 'known'
    return this.#waiting[this.#turn].first() ?? this.#waiting[other].first()
  }

  #start(guest: Guest): void {
    this.#forget(guest)
    for (const crowd of Object.values(this.#waiting)) crowd.turned(guest.place)
    this.#turn = this.#turn === 'known' ? 'others' : 'known'
    if (guest.socket.destroyed) return
    this.#bucket.spend(1)
    guest.sinceMs = this.#clock.monotonicMs()
    guest.limit = this.#clock.after(
      this.#limits.openLimitMs,
      () => this.#sendAway(guest, 'it was not open in time'),
      'background',
    )
    this.#begun.add(guest.place, guest)
    this.#begin(guest.socket)
  }

  /** How long until there is a place for one from there, ms; where somebody has to go for it, it is done. */
  #untilRoom(place: string): number {
    if (this.#begun.size < this.#limits.begunMax) return 0
    const most = this.#begun.mostCrowded()
    if (!most) return 0
    const leftMs = most.member.sinceMs + this.#limits.crowdedAfterMs - this.#clock.monotonicMs()
    if (leftMs > 0 && most.count <= this.#begun.of(place) + 1) return Math.ceil(leftMs)
    this.#sendAway(most.member, 'it was not open, and others wait')
    return 0
  }

  /** Sends one away that waits, of the place that most come from; false where that is the newcomer's own. Of known places only where they take most of the room. */
  #makeRoom(place: string): boolean {
    const { known, others } = this.#waiting
    const own = known.of(place) + others.of(place)
    for (const crowd of known.size > others.size ? [others, known] : [others]) {
      const most = crowd.mostCrowded()
      if (!most || most.place === place || most.count <= own + 1) continue
      this.#sendAway(most.member, 'too many wait, and most of them come from there')
      return true
    }
    return false
  }

  #sendAway(guest: Guest, why: string): void {
    this.#forget(guest)
    this.#cutOff(guest.socket, why)
  }

  #cutOff(socket: Socket, why: string): void {
    this.#log.warn({ remote: keyOf(socket) }, `a connection was refused: ${why}`)
    socket.destroy()
  }

  /** It waits no more, and is no more one that has begun. */
  #forget(guest: Guest): void {
    guest.limit.cancel()
    for (const crowd of [this.#waiting.known, this.#waiting.others, this.#begun]) crowd.delete(guest.place, guest)
  }
}

function keyOf({
  remoteAddress,
  remotePort,
}: {
  readonly remoteAddress?: string | undefined
  readonly remotePort?: number | undefined
}): string {
  return `${remoteAddress}:${remotePort}`
}
