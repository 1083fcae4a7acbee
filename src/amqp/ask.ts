import type { Clock } from '../runtime/clock.ts'
import { HeadraceError } from '../runtime/errors.ts'
import type { Connection, Delivery, Outcome, PeerError } from './amqp.ts'

export interface Question {
  readonly address: string
  readonly capabilities?: readonly string[]
  readonly body: Buffer
  /** For attaching, and for the answer. */
  readonly timeoutMs: number
}

/** Asks once, on links of its own, and resolves with the answer's body. Rejects with `timeout`, `link_refused` or `link_lost`. */
export async function askOnce(connection: Connection, clock: Clock, question: Question): Promise<Buffer> {
  const { address, capabilities, body, timeoutMs } = question
  const answer = Promise.withResolvers<Buffer>()
  // A refusal may come while the links are still being attached.
  answer.promise.catch(() => {})
  const onDelivery = (delivery: Delivery) => {
    delivery.accept()
    answer.resolve(delivery.message.body)
  }
  const receiver = await connection.openReceiver({ address: null, timeoutMs, onDelivery })
  const sender = await connection.openSender({ address, ...(capabilities && { capabilities }), timeoutMs })
  const limit = clock.after(timeoutMs, () =>
    answer.reject(new HeadraceError('timeout', `${connection.remote} did not answer at ${address} within ${timeoutMs} ms`)),
  )
  const settled = (outcome: Outcome, error?: PeerError) => {
    if (outcome === 'accepted') return
    const why = error ? `: ${error.condition} ${error.description}` : ''
    answer.reject(
      new HeadraceError('link_refused', `${connection.remote} gave the question at ${address} back (${outcome}${why})`),
    )
  }
  let sent = false
  const send = () => {
    if (sent || sender.room <= 0) return
    sent = true
    sender.send({ body, properties: {}, replyTo: receiver.address, correlationId: 'identity', ttlMs: timeoutMs }, settled)
  }
  const ended = (error: PeerError | undefined) =>
    answer.reject(new HeadraceError('link_lost', `the link to ${address} ended${error ? `: ${error.description}` : ''}`))
  void sender.closed.then(ended)
  void receiver.closed.then(ended)
  try {
    receiver.grant(1)
    sender.onRoom(send)
    send()
    return await answer.promise
  } finally {
    limit.cancel()
    sender.close()
    receiver.close()
  }
}
