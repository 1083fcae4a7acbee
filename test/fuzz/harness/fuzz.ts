import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { rssMib } from '../../bench/process-figures.ts'
import type { Order, Report } from './worker.ts'

/** No input may take longer than this, ms: far more than any needs, on a machine that does other things too. */
export const INPUT_LIMIT_MS = 60_000
/** Memory that the process may gain over what it had when the target was started, MiB. */
export const GAIN_MIB_MAX = 512
const HEAP_MIB_MAX = 384
const LOOK_EVERY_MS = 25

export type Found =
  | { readonly kind: 'nothing'; readonly inputs: number }
  | { readonly kind: 'failure' | 'crash' | 'endless' | 'memory'; readonly inputs: number; readonly what: string }

export interface FuzzOptions {
  /** URL of the file with the targets. */
  readonly file: string
  readonly name: string
  readonly seed: number
  readonly runs: number
  readonly limitMs?: number
  readonly inputLimitMs?: number
  readonly gainMibMax?: number
}

/**
 * Feeds a target in a thread of its own, so that what never ends, or takes all memory, is ended and told. The seed and the number of inputs name the
 * input: the same seed gives the same ones.
 */
export function fuzz(options: FuzzOptions): Promise<Found> {
  const { inputLimitMs = INPUT_LIMIT_MS, gainMibMax = GAIN_MIB_MAX, ...order } = options
  const counter = new SharedArrayBuffer(4)
  const count = new Int32Array(counter)
  const folder = mkdtempSync(join(tmpdir(), 'headrace-fuzz-'))
  const replay = () => `input ${Atomics.load(count, 0)} of seed ${options.seed}`
  return new Promise(resolve => {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData: { ...order, folder, counter } satisfies Order,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB_MAX },
      stdout: true,
      stderr: true,
    })
    const before = rssMib(process.pid)
    let seen = 0
    let seenMs = performance.now()
    // Handlers of a thread that is ended do not run: what it wrote is removed from here.
    const ended = async (found: Found) => {
      clearInterval(watch)
      await worker.terminate()
      rmSync(folder, { recursive: true, force: true })
      resolve(found)
    }
    const end = (kind: 'failure' | 'crash' | 'endless' | 'memory', what: string) =>
      void ended({ kind, what: `${options.name}: ${what}`, inputs: Atomics.load(count, 0) })
    const watch = setInterval(() => {
      const gain = rssMib(process.pid) - before
      if (gain > gainMibMax) return end('memory', `took ${gain} MiB at ${replay()}`)
      const now = Atomics.load(count, 0)
      if (now !== seen) {
        seen = now
        seenMs = performance.now()
      } else if (performance.now() - seenMs > inputLimitMs) end('endless', `no end after ${inputLimitMs} ms at ${replay()}`)
    }, LOOK_EVERY_MS)
    worker.on('message', ({ failure, inputs }: Report) => {
      if (failure !== undefined) end('failure', failure)
      else void ended({ kind: 'nothing', inputs })
    })
    worker.on('error', (error: NodeJS.ErrnoException) => {
      const memory = error.code === 'ERR_WORKER_OUT_OF_MEMORY'
      end(memory ? 'memory' : 'crash', `${error.stack ?? error.message} at ${replay()}`)
    })
  })
}
