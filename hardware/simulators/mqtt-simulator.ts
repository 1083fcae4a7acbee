import type { Socket } from 'node:net'
import type { DeviceModel } from './device-model.ts'
import { MessageOrder } from './message-order.ts'
import { Mischief, type MischiefOptions } from './mischief.ts'
import { connack, identifierOf, levelOf, type MqttPacket, pingresp, publish, readPacket, suback, TYPE } from './mqtt-packets.ts'
import { accepting, Opened } from './opened.ts'
import type { MischievousSimulator } from './simulator.ts'

export const TOPIC = 'meter/1'
/** Readings that are kept until they are acknowledged; past that the oldest go. */
const KEPT_MAX = 1_000
const IDENTIFIERS = 65_535

/**
 * A sensor with a broker of its own: it publishes at QoS 1 to whoever is connected, and again after each connection what was not acknowledged. Where it
 * starts anew, a packet breaks off, connections are cut, and the port is closed for a moment.
 */
export async function startMqttSimulator(
  model: DeviceModel,
  options: { port: number; perSecond: number; mischief: MischiefOptions },
): Promise<MischievousSimulator> {
  const { port, perSecond } = options
  const mischief = new Mischief(options.mischief)
  const startedMs = performance.now()
  const kept = new Map<number, Buffer>()
  const subscribed = new Map<Socket, { readonly level: number; readonly order: MessageOrder }>()
  let identifier = 0

  const speak = () => {
    for (const message of model.say?.((performance.now() - startedMs) / 1_000) ?? []) {
      const { bytes, delayMs, restarts } = mischief.spoil(message)
      identifier = (identifier % IDENTIFIERS) + 1
      const own = identifier
      kept.set(own, restarts ? message : bytes)
      const [oldest] = kept.keys()
      if (kept.size > KEPT_MAX && oldest !== undefined) kept.delete(oldest)
      for (const [socket, { level, order }] of subscribed) {
        order.add(delayMs, () => {
          const whole = publish(level, TOPIC, own, restarts ? message : bytes, false)
          if (!socket.destroyed) socket.write(restarts ? whole.subarray(0, whole.length >> 1) : whole)
          if (restarts) opened.restart()
        })
      }
    }
  }

  const take = (socket: Socket, level: number, { type, body }: MqttPacket): number => {
    switch (type) {
      case TYPE.connect: {
        const connecting = levelOf(body)
        socket.write(connack(connecting, true))
        return connecting
      }
      case TYPE.subscribe:
        socket.write(suback(level, body))
        for (const [own, value] of kept) socket.write(publish(level, TOPIC, own, value, true))
        subscribed.set(socket, { level, order: new MessageOrder() })
        return level
      case TYPE.puback:
        kept.delete(identifierOf(body))
        return level
      case TYPE.pingreq:
        socket.write(pingresp())
        return level
      default:
        return level
    }
  }

  const accept = (socket: Socket) => {
    let held = Buffer.alloc(0)
    let level = 0
    socket.on('error', () => socket.destroy())
    socket.once('close', () => subscribed.delete(socket))
    socket.on('data', bytes => {
      held = Buffer.concat([held, bytes])
      for (let read = readPacket(held); read; read = readPacket(held)) {
        level = take(socket, level, read.packet)
        held = held.subarray(read.taken)
      }
    })
  }

  const opened = new Opened(() => accepting({ port }, accept))
  await opened.start()
  const timer = setInterval(speak, 1_000 / perSecond)
  return {
    path: `127.0.0.1:${port}`,
    misdeeds: mischief.done,
    stop: async () => {
      clearInterval(timer)
      await opened.stop()
    },
  }
}
