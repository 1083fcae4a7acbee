import { createServer, type ServerResponse } from 'node:http'
import type { DeviceModel } from './device-model.ts'
import { Mischief, type MischiefOptions } from './mischief.ts'
import { closed, listening, Opened } from './opened.ts'
import type { MischievousSimulator } from './simulator.ts'

/** A device with a small web server: each GET is answered with its reading. Where it starts anew, the answer breaks off and the port is closed for a moment. */
export async function startHttpSimulator(
  model: DeviceModel,
  options: { port: number; mischief: MischiefOptions },
): Promise<MischievousSimulator> {
  const { port } = options
  const mischief = new Mischief(options.mischief)
  const startedMs = performance.now()
  const answer = (response: ServerResponse) => {
    const [message = Buffer.alloc(0)] = model.say?.((performance.now() - startedMs) / 1_000) ?? []
    const { bytes, delayMs, restarts } = mischief.spoil(message)
    setTimeout(() => {
      const length = restarts ? message.length : bytes.length
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': length })
      if (!restarts) response.end(bytes)
      else response.write(bytes, () => opened.restart())
    }, delayMs)
  }
  const opened = new Opened(async () => {
    const server = createServer((_request, response) => answer(response))
    await listening(server, { port })
    return async () => {
      server.closeAllConnections()
      await closed(server)
    }
  })
  await opened.start()
  return { path: `127.0.0.1:${port}`, misdeeds: mischief.done, stop: () => opened.stop() }
}
