/** Works in two threads, lets go of its program, and works again; says whether the same came out; fails where it did not get smaller. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { zstdCompressSync } from 'node:zlib'
import { letGoOfProgramPages } from '../../src/runtime/program-pages.ts'
import { rssMib } from '../bench/process-figures.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { until } from '../support/until.ts'

const SOON_MS = 10_000
/** Of the 45 MiB of Node's program and its libraries that are resident then; the few that are needed at once come back. */
const LEAST_MIB = 20

function work(): string {
  const digest = createHash('sha512').update('x'.repeat(9_999)).digest('hex')
  const text = new Intl.DateTimeFormat('de', { timeZone: 'Europe/Berlin', dateStyle: 'full' }).format(0)
  return [digest, zstdCompressSync(Buffer.alloc(99_999, 7)).length, text].join()
}

if (isMainThread) {
  const other = new Worker(new URL(import.meta.url))
  const inBoth = async () => {
    other.postMessage('work')
    const [theirs] = await once(other, 'message')
    return `${work()}\n${theirs}`
  }
  const first = await inBoth()
  const fromMib = rssMib(process.pid)
  const clock = new SimulatedClock()
  const timer = letGoOfProgramPages(clock)
  await clock.pass(SOON_MS)
  await until('it has let go', () => rssMib(process.pid) < fromMib - LEAST_MIB)
  const isSame = (await inBoth()) === first
  timer.cancel()
  await other.terminate()
  process.stdout.write(JSON.stringify({ isSame }))
} else parentPort?.on('message', () => parentPort?.postMessage(work()))
