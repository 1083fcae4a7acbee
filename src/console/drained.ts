import type { Writable } from 'node:stream'

/** Resolves when a stream takes more, or is closed. It leaves nothing listening: a reader that is slow for days is waited for many times. */
export function drained(stream: Writable): Promise<void> {
  return new Promise(resolve => {
    const go = () => {
      stream.off('drain', go)
      stream.off('close', go)
      resolve()
    }
    stream.on('drain', go)
    stream.on('close', go)
  })
}
