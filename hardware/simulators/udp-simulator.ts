import { createSocket } from 'node:dgram'
import type { DeviceModel } from './device-model.ts'
import { MessageOrder } from './message-order.ts'
import { Mischief, type MischiefOptions } from './mischief.ts'
import { AWAY_MS } from './opened.ts'
import type { MischievousSimulator } from './simulator.ts'

/** A device that sends datagrams to a port of this machine, whether anybody listens or not. Where it starts anew, it says nothing for a moment. */
export async function startUdpSimulator(
  model: DeviceModel,
  options: { port: number; perSecond: number; mischief: MischiefOptions },
): Promise<MischievousSimulator> {
  const { port, perSecond } = options
  const mischief = new Mischief(options.mischief)
  const order = new MessageOrder()
  const startedMs = performance.now()
  const socket = createSocket('udp4')
  // Nobody listens yet, or any more: to a device that is all the same.
  socket.on('error', () => {})
  let silentUntilMs = 0
  const speak = () => {
    const nowMs = performance.now()
    if (nowMs < silentUntilMs) return
    for (const message of model.say?.((nowMs - startedMs) / 1_000) ?? []) {
      const { bytes, delayMs, restarts } = mischief.spoil(message)
      order.add(delayMs, () => {
        socket.send(bytes, port, '127.0.0.1')
        if (restarts) silentUntilMs = performance.now() + AWAY_MS
      })
    }
  }
  const timer = setInterval(speak, 1_000 / perSecond)
  return {
    path: `127.0.0.1:${port}`,
    misdeeds: mischief.done,
    stop: async () => {
      clearInterval(timer)
      await order.sent()
      await new Promise<void>(resolve => socket.close(() => resolve()))
    },
  }
}
