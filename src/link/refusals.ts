import type { PeerError } from '../amqp/amqp.ts'
import { OPEN_ERROR, REFUSAL } from '../amqp/messages.ts'
import type { Alarms } from '../runtime/alarms.ts'
import { HeadraceError, messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import type { Next } from './link-state.ts'

/** As whom a gateway comes. */
export interface ShownAs {
  readonly by: 'certificate' | 'login' | 'nothing'
  readonly name: string | undefined
}

export const SHOWS_NOTHING: ShownAs = { by: 'nothing', name: undefined }

export interface RefusalsDeps {
  readonly gateway: string
  readonly mode: 'direct' | 'router' | 'broker'
  readonly shownAs: () => ShownAs
  readonly alarms: Alarms
  readonly log: Logger
}

/** What a peer says of a moment, and not of who may do what (AMQP 1.0 part 2, 2.8): it stops, has too many, or a newer session is there. */
const OF_THE_MOMENT = [
  'amqp:connection:forced',
  'amqp:link:detach-forced',
  'amqp:resource-limit-exceeded',
  REFUSAL.sessionNotNewest,
]
const CODES = ['link_refused', 'other_instance'] as const

/** Tells a person that somebody does not let this gateway in: who, why, and what to do. It goes on asking, since that may be changed. */
export class Refusals {
  readonly #deps: RefusalsDeps

  constructor(deps: RefusalsDeps) {
    this.#deps = deps
  }

  /** The core answered an opening so. */
  byCore(error: { code: string; message: string; advice: string }): Next {
    this.#deps.log.error({ code: error.code, reason: error.message }, 'the core refuses this gateway')
    const code = error.code === OPEN_ERROR.otherInstance ? 'other_instance' : 'link_refused'
    this.#deps.alarms.raise(code, { message: `${error.code}: ${error.message}`, advice: error.advice })
    return 'refused'
  }

  /** The connection was closed because whoever runs the other end wants nothing of this gateway, or nothing more. */
  sentAway(why: string): void {
    const { mode } = this.#deps
    if (mode !== 'direct') {
      const message = `The ${mode} sends this gateway away: ${why}. ${this.#whoItIs()}`
      this.#deps.alarms.raise('link_refused', { message, advice: this.#whatToDo() })
      return
    }
    this.#deps.alarms.raise('link_refused', {
      message: `The core sends this gateway away: ${why}.`,
      advice: 'Look at `headrace ca list` on the core; enrol the gateway again if it is to come in.',
    })
  }

  /** A connection or a link did not come about. Where that is no refusal (a timeout, a lost connection) nobody is told here. */
  byPeer(cause: unknown): void {
    if (!(cause instanceof HeadraceError) || cause.code !== 'link_refused') return
    const condition = (cause.cause as PeerError | undefined)?.condition
    if (condition !== undefined && OF_THE_MOMENT.includes(condition)) return
    this.#deps.alarms.raise('link_refused', {
      message: `${messageOf(cause)} ${this.#whoItIs()}`,
      advice: this.#adviceFor(cause),
    })
  }

  /** It is let in. */
  over(): void {
    for (const code of CODES) this.#deps.alarms.clear(code)
  }

  #whoItIs(): string {
    const { gateway } = this.#deps
    const { by, name } = this.#deps.shownAs()
    if (by === 'nothing') return `(This gateway is ${gateway}, and shows neither a certificate nor a name.)`
    return by === 'certificate'
      ? `(This gateway is ${gateway}, and shows a certificate of ${name ?? 'nobody'}.)`
      : `(This gateway is ${gateway}, and logs in as ${name}.)`
  }

  /** Who shows nothing trusts nobody of the plant either: both come with being enrolled. */
  #adviceFor({ advice }: HeadraceError): string {
    if (advice === undefined) return this.#whatToDo()
    return this.#deps.shownAs().by === 'nothing' ? `${this.#whatToDo()} ${advice}` : advice
  }

  #whatToDo(): string {
    const { gateway, mode } = this.#deps
    const { by, name } = this.#deps.shownAs()
    if (by === 'nothing')
      return 'Enrol it (`headrace enroll`), or name its certificate under uplink.tls, or its name under uplink.sasl.'
    if (name !== gateway) {
      return by === 'certificate'
        ? `Give it a certificate of its own name: a token from \`headrace ca token --gateway ${gateway}\` and \`headrace enroll\`, or uplink.tls.`
        : `Let it log in as ${gateway}: uplink.sasl.username.`
    }
    switch (mode) {
      case 'direct':
        return "Look at the core's log, which says whom it refuses and why, and at `headrace ca list` there."
      case 'router':
        return `Look at the router's policy: ${gateway} sends to headrace/open, headrace/identity and headrace/in/${gateway}/* (deploy/router/).`
      case 'broker':
        return `Look at the broker: ${gateway} has to be one of its users, and may send to headrace.open, headrace.identity, headrace.in.${gateway} and headrace.again.${gateway}, and receive from headrace.ctl.${gateway} (deploy/artemis/).`
    }
  }
}
