import type { TLSSocket } from 'node:tls'
import type { Clock } from '../runtime/clock.ts'
import type { SparingLog } from '../runtime/sparing-log.ts'
import { Crowd, placeOf } from './crowd.ts'

/** Peers at once that a certificate was asked of and that have none; and so many whose certificate has ended. */
const STRANGERS_MAX = 64
/** For so long such a peer may ask for one, ms. */
const STRANGER_LIFE_MS = 30_000
/** What is wrong with a certificate that its bearer may ask to have renewed: OpenSSL's X509_V_ERR names. */
const ENDED = ['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']

/**
 * Who comes to ask for a certificate. A stranger stays for as long as that takes. Where all places are taken, one goes that came from where most of them
 * come from; those whose certificate has ended, who were known once, have places of their own.
 */
export class Strangers {
  readonly #clock: Clock
  readonly #log: SparingLog
  readonly #places = { new: new Crowd<TLSSocket>(), ended: new Crowd<TLSSocket>() }

  constructor(clock: Clock, log: SparingLog) {
    this.#clock = clock
    this.#log = log
  }

  /** False where it may not even ask; it is cut off then. */
  take(socket: TLSSocket): boolean {
    const shown = socket.getPeerX509Certificate() !== undefined
    // Node's types say Error; it is the name of what OpenSSL found.
    const wrong = String(socket.authorizationError)
    const crowd = this.#places[shown ? 'ended' : 'new']
    const place = placeOf(socket.remoteAddress ?? '')
    if (shown && !ENDED.includes(wrong)) return this.#refuse(socket, wrong)
    if (crowd.size >= STRANGERS_MAX && !this.#makeRoom(crowd, place)) return this.#refuse(socket, 'too many strangers')
    crowd.add(place, socket)
    const life = this.#clock.after(STRANGER_LIFE_MS, () => socket.destroy(), 'background')
    socket.once('close', () => {
      crowd.delete(place, socket)
      life.cancel()
    })
    return true
  }

  #makeRoom(crowd: Crowd<TLSSocket>, place: string): boolean {
    const most = crowd.mostCrowded()
    if (!most || most.count <= crowd.of(place) + 1) return false
    crowd.delete(most.place, most.member)
    this.#refuse(most.member, 'too many strangers, and most of them come from there')
    return true
  }

  #refuse(socket: TLSSocket, reason: string): false {
    this.#log.warn({ remote: socket.remoteAddress, reason }, 'a connection was refused')
    socket.destroy()
    return false
  }
}
