import type { Sender } from '../amqp/amqp.ts'
import { type ControlMessage, NOT_KEPT, PROPERTY } from '../amqp/messages.ts'
import type { CutBatch } from '../buffer/buffer.ts'
import { messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import type { Lane } from './lane.ts'
import type { Lanes } from './lanes.ts'

/** `count` of a message is an unsigned 32-bit number: a longer range that is gone takes several statements. */
const GONE_AT_ONCE_MAX = 2 ** 32 - 1

export interface AskedAgainDeps {
  readonly gateway: string
  readonly session: number
  readonly lanes: Lanes
  readonly sender: Sender
  readonly log: Logger
}

/**
 * Answers what the core asks through a broker. What is sent again changes nothing here: the core takes it in once, and asks once more for what got
 * lost on the way.
 */
export class AskedAgain {
  readonly #deps: AskedAgainDeps
  /** Sources whose batches are being read. */
  readonly #working = new Set<string>()

  constructor(deps: AskedAgainDeps) {
    this.#deps = deps
  }

  /** Never rejects. */
  async hear(message: ControlMessage): Promise<void> {
    const { lanes, log } = this.#deps
    const { source } = message
    const lane = lanes.get(source)
    if (!lane || this.#working.has(source)) return
    this.#working.add(source)
    try {
      if (message.ask === 'freeze') await lane.freezeAsTold(message.epoch, message.error)
      else await this.#sendAgain(lane, message)
    } catch (cause) {
      log.warn({ source, reason: messageOf(cause) }, 'what the core asked for cannot be done now')
    } finally {
      this.#working.delete(source)
    }
  }

  async #sendAgain(lane: Lane, { epoch, from, to }: Extract<ControlMessage, { ask: 'again' }>): Promise<void> {
    const { outlet } = lane
    if (lane.state === 'frozen' || outlet.assignment?.epoch !== epoch) return
    if (to > outlet.next) {
      await lane.freezeAsTold(epoch, {
        code: 'log_ahead',
        message: `The core has numbers from ${to} on, this gateway gave away those up to ${outlet.next} only: another one wrote as this one.`,
        advice:
          'Find out who else wrote there; then `headrace source resume <gateway>/<source>` goes on at the end of the log, under a new epoch.',
      })
      return
    }
    const { batches, gone } = await outlet.kept(from, to)
    this.#deps.log.info(
      { source: lane.source, from, to, batches: batches.length, gone: gone.length },
      'the core asks for it again',
    )
    for (const batch of batches) this.#send(lane, batch, batch.bytes)
    for (const range of gone) {
      const count = Math.min(GONE_AT_ONCE_MAX, range.to - range.from)
      this.#send(lane, { sequence: range.from, count }, Buffer.from('{}'), { [PROPERTY.kind]: NOT_KEPT })
    }
  }

  /** What does not find room is asked for again. */
  #send(
    lane: Lane,
    { sequence, count }: Pick<CutBatch, 'sequence' | 'count'>,
    body: Buffer,
    more: Record<string, string> = {},
  ): void {
    const { gateway, session, sender } = this.#deps
    if (sender.room <= 0) return
    const properties = {
      [PROPERTY.gateway]: gateway,
      [PROPERTY.session]: session,
      [PROPERTY.source]: lane.source,
      [PROPERTY.sequence]: sequence,
      [PROPERTY.count]: count,
      ...more,
    }
    sender.send({ body, properties, durable: true }, () => {})
  }
}
