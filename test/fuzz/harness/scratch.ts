import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { workerData } from 'node:worker_threads'
import type { Order } from './worker.ts'

/** A folder for the target that this thread feeds; whoever started the thread removes it, however that ends. To be asked for once it runs. */
export function scratchFolder(): string {
  return mkdtempSync(join((workerData as Order).folder, 'target-'))
}
