import { z } from 'zod'
import type { Clock } from '../runtime/clock.ts'

/*
  A capture is a file of JSON lines, so that it can be looked at, cut and kept beside a test:
    {"headrace_capture":1,"source":"<gateway>/<source>","gives":"stream"|"messages","started":"…Z"}
    {"at_ms":12.5,"base64":"…"}         what one read brought, ms after the start, by the clock that nobody sets
    {"at_ms":80.1,"interrupted":true}   the stream broke off: unplugged, disconnected
    {"at_ms":90,"lost_bytes":512}       what came faster than it could be written
*/
export const captureHeadSchema = z.strictObject({
  headrace_capture: z.literal(1, 'was made by a newer version'),
  source: z.string(),
  gives: z.enum(['stream', 'messages']),
  started: z.string(),
})
export type CaptureHead = z.output<typeof captureHeadSchema>

export const captureItemSchema = z.union([
  z.strictObject({ at_ms: z.number().min(0), base64: z.string() }),
  z.strictObject({ at_ms: z.number().min(0), interrupted: z.literal(true) }),
  z.strictObject({ at_ms: z.number().min(0), lost_bytes: z.int().min(1) }),
])
export type CaptureItem = z.output<typeof captureItemSchema>

/** What a tap of a source hears; `bytes` are valid during the call only. */
export interface Tap {
  bytes(bytes: Buffer): void
  interrupted(): void
}

/** Bytes that wait for whoever captures. */
const WAITING_BYTES_MAX = 4 * 2 ** 20

/** What passes a tap from now on, until `signal` is aborted; a slow reader loses bytes, and is told how many. */
export async function* capture(open: (tap: Tap) => () => void, clock: Clock, signal: AbortSignal): AsyncGenerator<CaptureItem> {
  const startMs = clock.monotonicMs()
  const waiting: CaptureItem[] = []
  let waitingBytes = 0
  let lostBytes = 0
  let wake = () => {}
  const atMs = () => Number((clock.monotonicMs() - startMs).toFixed(3))
  const add = (item: CaptureItem) => {
    waiting.push(item)
    wake()
  }
  const close = open({
    bytes: bytes => {
      if (waitingBytes + bytes.length > WAITING_BYTES_MAX) {
        lostBytes += bytes.length
        return
      }
      if (lostBytes > 0) add({ at_ms: atMs(), lost_bytes: lostBytes })
      lostBytes = 0
      waitingBytes += bytes.length
      add({ at_ms: atMs(), base64: bytes.toString('base64') })
    },
    interrupted: () => add({ at_ms: atMs(), interrupted: true }),
  })
  const stop = () => wake()
  signal.addEventListener('abort', stop)
  try {
    while (!signal.aborted) {
      const item = waiting.shift()
      if (item) {
        if ('base64' in item) waitingBytes -= Buffer.byteLength(item.base64, 'base64')
        yield item
      } else {
        await new Promise<void>(resolve => {
          wake = resolve
          if (signal.aborted) resolve()
        })
      }
    }
  } finally {
    signal.removeEventListener('abort', stop)
    close()
  }
}
