import type { Connection, Message, Outcome, PeerError, Sender } from '../../amqp/amqp.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import type { AlertSink } from './alert-sink.ts'
import type { OutgoingAlert } from './state-entry.ts'

const ATTACH_LIMIT_MS = 10_000
/** Until the receiver has said what became of an alert. */
const SETTLE_LIMIT_MS = 30_000

/**
 * Sends alerts to an AMQP 1.0 address, durable, each a message of its own with its key as a property. It has one when the peer has accepted it; the
 * connection is made anew after it was lost.
 */
export function amqpSink(address: string, connect: () => Promise<Connection>): AlertSink & { close(): void } {
  let open: { connection: Connection; sender: Sender } | undefined
  const close = () => {
    open?.connection.close()
    open = undefined
  }
  return {
    close,
    async deliver(alert) {
      try {
        if (!open) {
          const connection = await connect()
          open = { connection, sender: await attach(connection, address) }
          void connection.closed.then(() => {
            if (open?.connection === connection) open = undefined
          })
        }
        await settled(open.sender, messageOfAlert(alert), address)
      } catch (error) {
        close()
        throw error
      }
    },
  }
}

async function attach(connection: Connection, address: string): Promise<Sender> {
  try {
    return await connection.openSender({ address, capabilities: ['queue'], timeoutMs: ATTACH_LIMIT_MS })
  } catch (error) {
    connection.close()
    throw error
  }
}

function messageOfAlert({ key, analyser, json }: OutgoingAlert): Message {
  return { body: Buffer.from(json), properties: { key, analyser }, durable: true }
}

async function settled(sender: Sender, message: Message, address: string): Promise<void> {
  const answer = Promise.withResolvers<void>()
  const failed = (why: string) => answer.reject(new HeadraceError('link_lost', `${address} did not take the alert: ${why}`))
  const limit = setTimeout(() => failed(`no answer within ${SETTLE_LIMIT_MS} ms`), SETTLE_LIMIT_MS)
  const send = () =>
    sender.send(message, (outcome: Outcome, error?: PeerError) =>
      outcome === 'accepted' ? answer.resolve() : failed(error ? `${error.condition} ${error.description}` : outcome),
    )
  void sender.closed.then(error => failed(error ? `${error.condition} ${error.description}` : 'the link was closed'))
  if (sender.room > 0) send()
  else {
    let isSent = false
    sender.onRoom(() => {
      if (isSent) return
      isSent = true
      send()
    })
  }
  try {
    await answer.promise
  } finally {
    clearTimeout(limit)
  }
}
