import { type ClientRequest, request } from 'node:http'
import type { DeviceModel } from './device-model.ts'
import { Mischief, type MischiefOptions } from './mischief.ts'
import { AWAY_MS } from './opened.ts'
import type { MischievousSimulator } from './simulator.ts'

const AGAIN_AFTER_MS = 50
const ANSWER_LIMIT_MS = 5_000

/** A device that posts its readings, one after the other, each until it is answered 200. Where it starts anew, it breaks off in the middle of one. */
export async function startWebhookSimulator(
  model: DeviceModel,
  options: { port: number; perSecond: number; mischief: MischiefOptions },
): Promise<MischievousSimulator> {
  const { port, perSecond } = options
  const mischief = new Mischief(options.mischief)
  const startedMs = performance.now()
  const wait = (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms))
  let stopped = false
  let underWay: ClientRequest | undefined

  /** Whether it was taken. */
  const post = (bytes: Buffer, breaksOff: boolean) =>
    new Promise<boolean>(resolve => {
      const length = bytes.length + (breaksOff ? 1 : 0)
      const headers = { 'content-type': 'application/json', 'content-length': length }
      underWay = request({ host: '127.0.0.1', port, method: 'POST', headers, timeout: ANSWER_LIMIT_MS }, response => {
        response.resume()
        response.once('close', () => resolve(response.statusCode === 200))
      })
      underWay.on('timeout', () => underWay?.destroy())
      underWay.on('error', () => resolve(false))
      if (breaksOff) underWay.write(bytes, () => underWay?.destroy(new Error('the device starts anew')))
      else underWay.end(bytes)
    })

  const speak = async () => {
    while (!stopped) {
      for (const message of model.say?.((performance.now() - startedMs) / 1_000) ?? []) {
        const { bytes, delayMs, restarts } = mischief.spoil(message)
        await wait(delayMs)
        if (restarts) {
          await post(bytes, true)
          await wait(AWAY_MS)
        } else while (!stopped && !(await post(bytes, false))) await wait(AGAIN_AFTER_MS)
      }
      await wait(1_000 / perSecond)
    }
  }
  const speaking = speak()
  return {
    path: `127.0.0.1:${port}`,
    misdeeds: mischief.done,
    stop: async () => {
      stopped = true
      underWay?.destroy()
      await speaking
    },
  }
}
