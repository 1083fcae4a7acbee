import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { collectGarbage } from '../../src/runtime/garbage.ts'
import { allowGarbage } from '../../src/runtime/garbage-allowed.ts'

/*
  A thread beside the main one that collects often, for a while. How large its heap may become before the next collection is said by V8 itself
  (`--trace-gc-verbose`).
*/

const COLLECTIONS = 4
/** Often, and not twice at once. */
const EVERY_MS = 50

if (isMainThread) {
  await once(new Worker(new URL(import.meta.url), { workerData: process.argv[2] }), 'exit')
} else {
  if (workerData === 'allowed') allowGarbage()
  for (let collection = 0; collection < COLLECTIONS; collection++) {
    collectGarbage()
    await setTimeout(EVERY_MS)
  }
}
