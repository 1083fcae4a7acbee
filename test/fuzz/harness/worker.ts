import { parentPort, workerData } from 'node:worker_threads'
import fc from 'fast-check'
import type { Target } from './target.ts'

/** What the worker is given. */
export interface Order {
  /** File whose export `targets` has the target. */
  readonly file: string
  readonly name: string
  readonly seed: number
  readonly runs: number
  /** For what it writes. */
  readonly folder: string
  /** Ends after this time, ms, however many inputs there were. */
  readonly limitMs?: number
  /** Counts the inputs, for whoever watches. */
  readonly counter: SharedArrayBuffer
}

/** What it says at its end: nothing, or the failing input as fast-check shrank it. */
export type Report = { readonly failure: string | undefined; readonly inputs: number }

const { file, name, seed, runs, limitMs, counter } = workerData as Order
const count = new Int32Array(counter)
const { targets } = (await import(file)) as { targets: readonly Target[] }
const target = targets.find(each => each.name === name)
if (!target) throw new Error(`${file} has no target ${name}`)

await target.open?.()
const property = fc.asyncProperty(target.input, async input => {
  Atomics.add(count, 0, 1)
  await target.run(input)
})
const details = await fc.check(property, {
  seed,
  numRuns: runs,
  ...(limitMs !== undefined && { interruptAfterTimeLimit: limitMs, markInterruptAsFailure: false }),
})
await target.close?.()
const report: Report = {
  inputs: Atomics.load(count, 0),
  failure:
    details.failed && details.counterexample !== null
      ? `${details.errorInstance}\n${fc.defaultReportMessage(details)}`
      : undefined,
}
parentPort?.postMessage(report)
