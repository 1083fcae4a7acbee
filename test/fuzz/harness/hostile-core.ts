import type { Delivery, ListenHandlers, Message, Sender } from '../../../src/amqp/amqp.ts'
import type { SeededRandom } from '../../support/random.ts'

/** What the core says to a question: bytes as they are, or fields of which `session` is that of the question where it is not given. */
export type Said = { readonly bytes: Buffer } | { readonly fields: Readonly<Record<string, unknown>> }

export interface CoreScript {
  /** One after the other, then again from the first. */
  readonly replies: readonly Said[]
  /** What becomes of batches, in turn. */
  readonly outcomes: readonly ('accept' | 'release' | 'modify' | 'reject' | 'never')[]
  /** What is asked of the gateway through a broker, with each reply. */
  readonly commands: readonly Said[]
}

/** More than any gateway may ask within the time of an input: beyond it, it asks without a pause. */
const QUESTIONS_MAX = 2_000

/** A core, or a broker with a core behind it, that says what its script has; keeps what the gateway sent. */
export class HostileCore {
  readonly batches: Message[] = []
  questions = 0
  readonly #script: CoreScript
  readonly #random: SeededRandom
  #replies: Sender | undefined
  #control: Sender | undefined

  constructor(script: CoreScript, random: SeededRandom) {
    this.#script = script
    this.#random = random
  }

  get handlers(): ListenHandlers {
    return {
      onConnection: () => {},
      onSenderAttach: ({ address }) => ({
        onReceiver: receiver => receiver.grant(1_000),
        onDelivery: delivery => (/open$/.test(address ?? '') ? this.#asked(delivery) : this.#sent(delivery)),
      }),
      onReceiverAttach: ({ address }) => ({
        onSender: sender => {
          if (address === null) this.#replies = sender
          else this.#control = sender
        },
      }),
    }
  }

  #asked(delivery: Delivery): void {
    if (++this.questions > QUESTIONS_MAX) throw new Error(`the gateway asked ${this.questions} times`)
    delivery.accept()
    const { replies, commands } = this.#script
    const { correlationId = '', body } = delivery.message
    const reply = replies[(this.questions - 1) % replies.length]
    if (reply) this.#say(this.#replies, reply, correlationId, JSON.parse(body.toString('utf8')).session)
    for (const command of commands) this.#say(this.#control, command, '')
  }

  #sent(delivery: Delivery): void {
    this.batches.push(delivery.message)
    const { outcomes } = this.#script
    const outcome = outcomes[this.batches.length % outcomes.length]
    if (outcome === 'accept') delivery.accept()
    else if (outcome === 'release') delivery.release()
    else if (outcome === 'modify') delivery.modify({ failed: this.#random.next() < 0.5 })
    else if (outcome === 'reject') delivery.reject({ condition: 'headrace:freeze', description: 'so it is' })
  }

  #say(sender: Sender | undefined, said: Said, correlationId: string, session?: string): void {
    if (!sender || sender.room <= 0) return
    const body =
      'bytes' in said ? said.bytes : Buffer.from(JSON.stringify({ ...said.fields, session: said.fields['session'] ?? session }))
    sender.send({ body, properties: {}, correlationId }, () => {})
  }
}
