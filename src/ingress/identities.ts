import type { Connection, Delivery, PeerIdentity, Receiver } from '../amqp/amqp.ts'
import { placeOf } from '../amqp/crowd.ts'
import type { Clock } from '../runtime/clock.ts'
import { TokenBucket, TokenBuckets } from '../runtime/token-bucket.ts'

/** Questions about certificates that one link may have open. */
const QUESTIONS_PER_LINK = 4
/** Questions of all gateways together, and of all strangers: each costs a signature. */
const RATE = { known: { perSecond: 100, burst: 400 }, strangers: { perSecond: 20, burst: 100 } }
/** Questions that wait for an answer: while the log is away each takes long, and whoever asked may be gone. */
const WAITING_MAX = { known: 400, strangers: 64 }
/** Of one gateway, and of strangers of one place: a few times what they need. Whoever stands behind a router is one with all others there. */
const RATE_OF_ONE = { known: { perSecond: 2, burst: 20 }, strangers: { perSecond: 5, burst: 25 } }

/** Whether an opening that came by way of others is the gateway's own. */
export type Provenance =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'proven'; readonly fingerprint: string }
  | { readonly kind: 'old'; readonly newest: number }
  | { readonly kind: 'refused'; readonly why: string }

/** What an ingress asks of an authority, where its core has one. */
export interface Identities {
  /** Answers a question that came to `headrace/identity`. Never rejects. */
  answer(body: Buffer): Promise<Buffer>
  /** Why a peer may not come in; undefined where it may. */
  barred(identity: PeerIdentity): string | undefined
  barredFingerprint(fingerprint: string): string | undefined
  /** Rejects with `log_unavailable` where it cannot be told now. */
  provenance(opening: {
    readonly gateway: string
    readonly session: number
    readonly begins: boolean
    readonly body: Buffer
    readonly properties: Readonly<Record<string, string | number>>
  }): Promise<Provenance>
  /** Calls when somebody may be barred who was not. */
  onChange(call: () => void): void
}

/** Takes questions from links of any entrance, at a bounded rate; one that asks without end gets its own share, and not that of others. */
export class QuestionDesk {
  readonly #identities: Identities
  readonly #all: { readonly known: TokenBucket; readonly strangers: TokenBucket }
  readonly #waiting = { known: 0, strangers: 0 }
  readonly #each: { readonly known: TokenBuckets; readonly strangers: TokenBuckets }

  constructor(identities: Identities, clock: Clock) {
    this.#identities = identities
    this.#all = { known: new TokenBucket(RATE.known, clock), strangers: new TokenBucket(RATE.strangers, clock) }
    this.#each = {
      known: new TokenBuckets(RATE_OF_ONE.known, clock),
      strangers: new TokenBuckets(RATE_OF_ONE.strangers, clock),
    }
  }

  /** For a link on which questions come; `reply` sends an answer back. */
  link(connection: Connection, reply: (delivery: Delivery, answer: Buffer) => void) {
    let receiver: Receiver | undefined
    const who = connection.identity.method === 'stranger' ? 'strangers' : 'known'
    const take = async (delivery: Delivery) => {
      if (this.#takesOneOf(connection, who)) {
        this.#waiting[who] += 1
        const answer = await this.#identities.answer(delivery.message.body)
        this.#waiting[who] -= 1
        if (delivery.alive) reply(delivery, answer)
      } else delivery.release()
      receiver?.grant(1)
    }
    return {
      onDelivery: (delivery: Delivery) => void take(delivery),
      onReceiver: (attached: Receiver) => {
        receiver = attached
        attached.grant(QUESTIONS_PER_LINK)
      },
    }
  }

  #takesOneOf({ identity, remote }: Connection, who: 'known' | 'strangers'): boolean {
    const one = who === 'strangers' ? placeOf(remote.slice(0, remote.lastIndexOf(':'))) : identity.name
    if (one !== undefined && this.#each[who].inMs(one, 1) > 0) return false
    if (this.#all[who].level < 1 || this.#waiting[who] >= WAITING_MAX[who]) return false
    this.#all[who].spend(1)
    if (one !== undefined) this.#each[who].spend(one, 1)
    return true
  }
}
