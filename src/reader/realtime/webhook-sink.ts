import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import { urlToHttpOptions } from 'node:url'
import { HeadraceError, messageOf } from '../../runtime/errors.ts'
import type { AlertSink } from './alert-sink.ts'
import type { OutgoingAlert } from './state-entry.ts'

/** A webhook that takes longer has failed, and is tried again. */
const DELIVERY_LIMIT_MS = 30_000
/** Of a webhook there is one connection, which is kept: an alert goes when the one before it has arrived. */
const AGENT = { keepAlive: true, maxSockets: 1, maxFreeSockets: 1 } as const

/**
 * Posts alerts to an address. It has one when it answers 2xx; a redirection is an answer as others are: followed, it would become a GET without the
 * alert. Not by `fetch`, which takes three times the CPU, and without an AbortSignal, which takes half again as much: a hundred alerts at once wait for
 * one another.
 */
export function webhookSink(url: string, limitMs: number = DELIVERY_LIMIT_MS): AlertSink & { close(): void } {
  const target = new URL(url)
  const where = urlToHttpOptions(target)
  const isTls = target.protocol === 'https:'
  let isClosed = false
  const agent = isTls ? new HttpsAgent(AGENT) : new HttpAgent(AGENT)
  const post = (alert: OutgoingAlert): Promise<void> =>
    new Promise<void>((resolve, reject) => {
      const { key, json } = alert
      let isLate = false
      const limit = setTimeout(() => {
        isLate = true
        refuse(`did not answer within ${limitMs} ms`)
        asked.destroy()
      }, limitMs)
      const refuse = (how: string, cause?: unknown) => {
        clearTimeout(limit)
        reject(new HeadraceError('command_failed', `the webhook ${target.origin} ${how}`, cause === undefined ? {} : { cause }))
      }
      const headers = {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(json),
        'idempotency-key': key,
      }
      const taken = (response: IncomingMessage) => {
        const { statusCode = 0 } = response
        response.on('error', error => refuse(`did not end its answer: ${messageOf(error)}`, error))
        response.on('end', () => {
          if (statusCode < 200 || statusCode >= 300) return refuse(`answered ${statusCode}`)
          clearTimeout(limit)
          resolve()
        })
        response.resume()
      }
      const options = { ...where, method: 'POST', agent, headers }
      const asked = isTls ? requestHttps(options, taken) : requestHttp(options, taken)
      asked.on('error', error => {
        // It let go of an idle connection in the moment in which that was used: this says nothing of the webhook.
        const wasIdle = !isLate && !isClosed && asked.reusedSocket && 'code' in error && error.code === 'ECONNRESET'
        if (!wasIdle) return refuse(`cannot be reached: ${messageOf(error)}`, error)
        clearTimeout(limit)
        post(alert).then(resolve, reject)
      })
      asked.end(json)
    })
  const close = () => {
    isClosed = true
    agent.destroy()
  }
  return { deliver: post, close }
}
