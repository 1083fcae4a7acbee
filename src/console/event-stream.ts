import type { ServerResponse } from 'node:http'
import { errorAnswer } from './http-error.ts'

/** Pages that watch at once. */
export const EVENT_STREAMS_MAX = 64
/** What a page has not taken yet; past that it is cut off, and comes again by itself with everything anew. */
const UNSENT_BYTES_MAX = 8 * 2 ** 20

/** Server-sent events (WHATWG HTML, section 9.2): named, each one line of JSON. */
export class EventStream {
  readonly #response: ServerResponse

  constructor(response: ServerResponse) {
    this.#response = response
    response.writeHead(200, { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' })
    response.flushHeaders()
  }

  send(name: string, data: unknown): boolean {
    if (this.#response.destroyed) return true
    const room = this.#response.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`)
    if (this.#response.writableLength > UNSENT_BYTES_MAX) this.#response.destroy()
    return room
  }

  /** Sends items as they come, no faster than the page takes them. */
  async follow(items: AsyncIterable<unknown>): Promise<void> {
    try {
      for await (const item of items) {
        if (!this.send('item', item) && !this.#response.destroyed) {
          await new Promise(resolve => this.#response.once('drain', resolve).once('close', resolve))
        }
        if (this.#response.destroyed) return
      }
    } catch (error) {
      this.send('trouble', errorAnswer(error).body.error)
    }
    this.#response.end()
  }
}
