import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { systemClock } from '../../src/runtime/clock.ts'
import { collectGarbage } from '../../src/runtime/garbage.ts'
import { allowGarbage } from '../../src/runtime/garbage-allowed.ts'

/*
  A thread beside the main one that collects often, for a while. How large its heap may become before the next collection is said by V8 itself
  (`--trace-gc-verbose`).
*/

const COLLECTIONS = 8
/** Often, and not twice at once. */
const EVERY_MS = 50

if (isMainThread) {
  const isBeside = process.argv[2] === 'beside the main thread'
  // Twenty megabytes live here.
  const living = isBeside ? Array.from({ length: 500_000 }, (_, at) => ({ at })) : []
  const own = isBeside ? allowGarbage(systemClock) : undefined
  await once(new Worker(new URL(import.meta.url), { workerData: process.argv[2] }), 'exit')
  own?.cancel()
  living.length = 0
} else {
  const allowed = workerData === 'as it is' ? undefined : allowGarbage(systemClock)
  for (let collection = 0; collection < COLLECTIONS; collection++) {
    collectGarbage()
    await setTimeout(EVERY_MS)
  }
  allowed?.cancel()
}
