import type { DeviceModel } from './device-model.ts'
import { freePort } from './free-port.ts'
import { startHttpSimulator } from './http-simulator.ts'
import type { MischiefOptions } from './mischief.ts'
import { startMqttSimulator } from './mqtt-simulator.ts'
import { startSerialSimulator } from './serial-simulator.ts'
import type { MischievousSimulator } from './simulator.ts'
import { startStreamSimulator } from './stream-simulator.ts'
import { startUdpSimulator } from './udp-simulator.ts'
import { startWebhookSimulator } from './webhook-simulator.ts'

/** Starts a device: on a path where it is a port or a socket file, on a port of 127.0.0.1 (a free one, unless it is said) otherwise. */
export async function startSimulator(
  model: DeviceModel,
  where: { link: string; port?: number; perSecond: number; mischief: MischiefOptions },
): Promise<MischievousSimulator> {
  const { link, perSecond, mischief } = where
  if (model.over === 'serial') return startSerialSimulator(model, { link, perSecond, mischief })
  if (model.over === 'unix') return startStreamSimulator(model, { place: { path: link }, perSecond, mischief })
  const options = { port: where.port ?? (await freePort()), perSecond, mischief }
  switch (model.over) {
    case 'tcp':
      return startStreamSimulator(model, { place: { port: options.port }, perSecond, mischief })
    case 'udp':
      return startUdpSimulator(model, options)
    case 'http':
      return startHttpSimulator(model, options)
    case 'webhook':
      return startWebhookSimulator(model, options)
    case 'mqtt':
      return startMqttSimulator(model, options)
  }
}
