import { lstatSync, rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { HeadraceError } from '../../src/runtime/errors.ts'
import type { DeviceModel } from './device-model.ts'
import { MessageOrder } from './message-order.ts'
import { Mischief, type MischiefOptions } from './mischief.ts'
import { accepting, Opened, type Place } from './opened.ts'
import type { MischievousSimulator } from './simulator.ts'

const REQUEST_BYTES_MAX = 4_096

/**
 * A device on a TCP port or a Unix socket, which answers, or speaks to each that connects. Where it starts anew, its connections are cut and its port is
 * closed for a moment.
 */
export async function startStreamSimulator(
  model: DeviceModel,
  options: { place: Place; perSecond: number; mischief: MischiefOptions },
): Promise<MischievousSimulator> {
  const { place, perSecond } = options
  const mischief = new Mischief(options.mischief)
  const startedMs = performance.now()

  const accept = (socket: Socket) => {
    const order = new MessageOrder()
    const send = (message: Buffer) => {
      const { bytes, delayMs, restarts } = mischief.spoil(message)
      order.add(delayMs, () => {
        if (!socket.destroyed) socket.write(bytes)
        if (restarts) opened.restart()
      })
    }
    const speak = () => {
      for (const message of model.say?.((performance.now() - startedMs) / 1_000) ?? []) send(message)
    }
    const timer = model.say && setInterval(speak, 1_000 / perSecond)
    let held = Buffer.alloc(0)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => clearInterval(timer))
    socket.on('data', bytes => {
      held = Buffer.concat([held, bytes])
      for (let answered = model.answer?.(held); answered; answered = model.answer?.(held)) {
        held = held.subarray(answered.taken)
        if (answered.reply) send(answered.reply)
      }
      if (held.length > REQUEST_BYTES_MAX) socket.destroy()
    })
  }

  const opened = new Opened(() => {
    if ('path' in place) makeWayFor(place.path)
    return accepting(place, accept)
  })
  await opened.start()
  const path = 'path' in place ? place.path : `127.0.0.1:${place.port}`
  return { path, misdeeds: mischief.done, stop: () => opened.stop() }
}

/** A socket that somebody left behind is in the way; whatever else is there is somebody's. */
function makeWayFor(file: string): void {
  const found = lstatSync(file, { throwIfNoEntry: false })
  if (found && !found.isSocket())
    throw new HeadraceError('config_invalid', `${file} is there already, and is no socket`, {
      advice: 'Name another path with --link, or move it away.',
    })
  if (found) rmSync(file)
}
