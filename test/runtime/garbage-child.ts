import { once } from 'node:events'
import { isMainThread, Worker } from 'node:worker_threads'
import { collectGarbage } from '../../src/runtime/garbage.ts'
import { allowGarbage } from '../../src/runtime/garbage-allowed.ts'

/* Collects once in each of two threads, where `allowed` is given by that allowance. What V8 decides of its next collection it says itself (`--trace-gc-verbose`). */

if (isMainThread) {
  if (process.argv[2] === 'allowed') allowGarbage()
  collectGarbage()
  await once(new Worker(new URL(import.meta.url)), 'exit')
} else collectGarbage()
