import { once } from 'node:events'
import { isMainThread, Worker } from 'node:worker_threads'
import { collectGarbage } from '../../src/runtime/garbage.ts'

/* Two threads that collect at the same time, as those of a gateway do at its start. Ends with an error where one of them cannot. */

const COLLECTIONS = 150

const other = isMainThread ? new Worker(new URL(import.meta.url)) : undefined
const ended = other && once(other, 'exit')
if (other) await once(other, 'online')
for (let collection = 0; collection < COLLECTIONS; collection++) collectGarbage()
await ended
