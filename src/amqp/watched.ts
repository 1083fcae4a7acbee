import type { Connection, Delivery, ListenHandlers, Message, Sender } from './amqp.ts'

/** Sees messages pass, and when; it may look and not touch. */
export interface MessageWatch {
  wants(message: Message): boolean
  /** Wall clock, ms. */
  now(): number
  /** It was accepted. */
  accepted(message: Message, fromMs: number, toMs: number): void
}

/** A connection on which messages that the watch wants are seen as they are sent, and as they come. */
export function watchedConnection(connection: Connection, watch: MessageWatch): Connection {
  return {
    identity: connection.identity,
    remote: connection.remote,
    closed: connection.closed,
    openSender: async options => watchedSender(await connection.openSender(options), watch),
    openReceiver: options =>
      connection.openReceiver({ ...options, onDelivery: delivery => options.onDelivery(watchedDelivery(delivery, watch)) }),
    close: error => connection.close(error),
    destroy: () => connection.destroy(),
  }
}

/** The same for a listener: what peers send to it. */
export function watchedHandlers(handlers: ListenHandlers, watch: MessageWatch): ListenHandlers {
  return {
    onConnection: connection => handlers.onConnection(connection),
    onReceiverAttach: request => handlers.onReceiverAttach(request),
    onSenderAttach: request => {
      const taken = handlers.onSenderAttach(request)
      if ('refuse' in taken) return taken
      return { ...taken, onDelivery: delivery => taken.onDelivery(watchedDelivery(delivery, watch)) }
    },
  }
}

function watchedSender(sender: Sender, watch: MessageWatch): Sender {
  /** Whose bytes the watch may look at later, too: it is handed them when they were accepted, which is when nobody else needs them any more. */
  const seen = new WeakSet<Buffer>()
  return {
    get address() {
      return sender.address
    },
    get room() {
      return sender.room
    },
    closed: sender.closed,
    letGo: body => {
      if (!seen.has(body)) sender.letGo(body)
    },
    onRoom: call => sender.onRoom(call),
    close: () => sender.close(),
    send(message, settled) {
      if (!watch.wants(message)) {
        sender.send(message, settled)
        return
      }
      seen.add(message.body)
      const fromMs = watch.now()
      sender.send(message, (outcome, error) => {
        settled(outcome, error)
        if (outcome === 'accepted') watch.accepted(message, fromMs, watch.now())
      })
    },
  }
}

function watchedDelivery(delivery: Delivery, watch: MessageWatch): Delivery {
  const { message } = delivery
  if (!watch.wants(message)) return delivery
  const fromMs = watch.now()
  return {
    message,
    get alive() {
      return delivery.alive
    },
    accept() {
      delivery.accept()
      watch.accepted(message, fromMs, watch.now())
    },
    release: () => delivery.release(),
    modify: options => delivery.modify(options),
    reject: error => delivery.reject(error),
  }
}
