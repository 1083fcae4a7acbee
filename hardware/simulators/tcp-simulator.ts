import { createServer, type Server, type Socket } from 'node:net'
import type { DeviceModel } from './device-model.ts'
import { freePort } from './free-port.ts'
import { Mischief, type MischiefOptions } from './mischief.ts'
import type { MischievousSimulator } from './simulator.ts'

/** How long a device that starts anew is away. */
const AWAY_MS = 150
const CONNECTIONS_MAX = 32
const REQUEST_BYTES_MAX = 4_096

/** A device that is asked over TCP. Where it starts anew, its connections are cut and its port is closed for a moment. */
export async function startTcpSimulator(
  model: DeviceModel,
  options: { port?: number; mischief: MischiefOptions },
): Promise<MischievousSimulator> {
  const port = options.port ?? (await freePort())
  const mischief = new Mischief(options.mischief)
  const sockets = new Set<Socket>()
  let stopped = false
  let server: Server | undefined

  const open = async () => {
    const own = createServer(socket => accept(socket))
    own.maxConnections = CONNECTIONS_MAX
    await new Promise<void>((resolve, reject) => {
      own.once('error', reject)
      own.listen(port, '127.0.0.1', resolve)
    })
    server = own
  }
  const close = async () => {
    const own = server
    server = undefined
    for (const socket of sockets) socket.destroy()
    if (own) await new Promise<void>(resolve => own.close(() => resolve()))
  }
  let restarting: Promise<void> | undefined
  const restart = async () => {
    await close()
    await new Promise(resolve => setTimeout(resolve, AWAY_MS))
    if (!stopped) await open()
  }
  const send = (socket: Socket, message: Buffer) => {
    const { bytes, delayMs, restarts } = mischief.spoil(message)
    setTimeout(() => {
      if (!socket.destroyed) socket.write(bytes)
      if (restarts && !stopped) restarting = restart()
    }, delayMs)
  }
  const accept = (socket: Socket) => {
    sockets.add(socket)
    let held = Buffer.alloc(0)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => sockets.delete(socket))
    socket.on('data', bytes => {
      held = Buffer.concat([held, bytes])
      for (let answered = model.answer?.(held); answered; answered = model.answer?.(held)) {
        held = held.subarray(answered.taken)
        if (answered.reply) send(socket, answered.reply)
      }
      if (held.length > REQUEST_BYTES_MAX) socket.destroy()
    })
  }

  await open()
  return {
    path: `127.0.0.1:${port}`,
    misdeeds: mischief.done,
    stop: async () => {
      stopped = true
      await restarting
      await close()
    },
  }
}
