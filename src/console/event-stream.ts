import type { ServerResponse } from 'node:http'
import { drained } from './drained.ts'
import { errorAnswer } from './http-error.ts'

export const EVENT_STREAM_TYPE = 'text/event-stream'
/** Pages that watch at once. */
export const EVENT_STREAMS_MAX = 64
/** What a page has not taken yet; past that it is cut off, and comes again by itself with everything anew. */
const UNSENT_BYTES_MAX = 8 * 2 ** 20
/** How often a page is sent something, whatever there is to say, ms: what stands between takes silence for an end, and a peer that has gone is not noticed in it. */
export const BEAT_EVERY_MS = 15_000
/** A page that took nothing of what it was sent between so many beats is cut off. */
const STILL_BEATS_MAX = 4

/** Server-sent events (WHATWG HTML, section 9.2): named, each one line of JSON. */
export class EventStream {
  readonly #response: ServerResponse
  /** Parts that were written, and those that the network took. */
  #sent = 0
  #taken = 0
  #takenAtBeat = 0
  #stillBeats = 0

  constructor(response: ServerResponse) {
    this.#response = response
    response.writeHead(200, { 'content-type': EVENT_STREAM_TYPE, 'x-accel-buffering': 'no' })
    response.flushHeaders()
  }

  send(name: string, data: unknown): boolean {
    if (this.#response.destroyed) return true
    const room = this.#write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`)
    if (this.#response.writableLength > UNSENT_BYTES_MAX) this.#response.destroy()
    return room
  }

  /** To be called every {@link BEAT_EVERY_MS}. */
  beat(): void {
    if (this.#response.destroyed) return
    const isStill = this.#taken < this.#sent && this.#taken === this.#takenAtBeat
    this.#stillBeats = isStill ? this.#stillBeats + 1 : 0
    this.#takenAtBeat = this.#taken
    if (this.#stillBeats >= STILL_BEATS_MAX) this.#response.destroy()
    else if (!this.#response.writableEnded) this.#write(':\n\n')
  }

  cutOff(): void {
    this.#response.destroy()
  }

  #write(text: string): boolean {
    this.#sent += 1
    return this.#response.write(text, error => {
      if (!error) this.#taken += 1
    })
  }

  /** Sends items as they come, no faster than the page takes them. */
  async follow(items: AsyncIterable<unknown>): Promise<void> {
    try {
      for await (const item of items) {
        if (!this.send('item', item) && !this.#response.destroyed) await drained(this.#response)
        if (this.#response.destroyed) return
      }
    } catch (error) {
      this.send('trouble', errorAnswer(error).body.error)
    }
    this.#response.end()
  }
}
