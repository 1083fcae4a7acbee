import { afterEach } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import type { Connection, Delivery, Receiver, Sender } from '../../src/amqp/amqp.ts'
import { dial } from '../../src/amqp/dial.ts'
import { listen } from '../../src/amqp/listen.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { type Logger, silentLogger } from '../../src/runtime/logger.ts'

export const deps = { clock: systemClock, log: silentLogger }
/** Called after each test, last first. */
export const closers: (() => Promise<void> | void)[] = []

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

export interface Core {
  readonly url: string
  readonly connections: Connection[]
  readonly receivers: Receiver[]
  readonly deliveries: Delivery[]
  readonly replies: Sender[]
  onDelivery: (delivery: Delivery) => void
}

export async function core(options: { openLimitMs?: number; credit?: number; log?: Logger } = {}): Promise<Core> {
  const found: Core = { url: '', connections: [], receivers: [], deliveries: [], replies: [], onDelivery: () => {} }
  const listener = await listen(
    {
      url: `amqp://127.0.0.1:${await freePort()}`,
      containerId: 'core',
      ...deps,
      ...(options.log && { log: options.log }),
      ...(options.openLimitMs && { openLimitMs: options.openLimitMs }),
    },
    {
      onConnection: connection => found.connections.push(connection),
      onSenderAttach: ({ address }) =>
        address === 'forbidden'
          ? { refuse: { condition: 'headrace:not-yours', description: 'not yours' } }
          : {
              onDelivery: delivery => {
                found.deliveries.push(delivery)
                found.onDelivery(delivery)
              },
              onReceiver: receiver => {
                found.receivers.push(receiver)
                receiver.grant(options.credit ?? 1_000)
              },
            },
      onReceiverAttach: () => ({ onSender: sender => found.replies.push(sender) }),
    },
  )
  closers.push(() => listener.close())
  return Object.assign(found, { url: listener.url })
}

export async function gateway(url: string): Promise<Connection> {
  const connection = await dial({ url, containerId: 'gateway', ...deps })
  closers.push(() => connection.destroy())
  return connection
}

export function message(number: number) {
  return { body: Buffer.from(`batch ${number}`), properties: { gateway: 'g', session: 2 ** 40, count: number } }
}
