import { messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import { EXIT } from './output.ts'

/** A stop that takes longer than this is given up: what is not settled is on disk. */
const STOP_LIMIT_MS = 15_000

/**
 * Ends without a wait for anybody: what matters is on disk. Node's own exit waits for the threads of its pool, and one of them may be held by a file system
 * that is away.
 */
function endAtOnce(): void {
  process.kill(process.pid, 'SIGKILL')
}

/**
 * Waits for SIGTERM or SIGINT, then stops in order and gives the exit code. A second signal ends at once, as does a stop that takes too long. An error that nobody caught ends the
 * process: everything that matters is on disk, and a supervisor starts it again.
 *
 * `ready` says how it is ended, once it listens: whoever reads that may be quick.
 */
export async function runUntilSignal(stop: () => Promise<void>, log: Logger, ready?: () => void): Promise<number> {
  process.on('uncaughtException', error => {
    log.error({ stack: error.stack }, `an error that nobody caught: ${messageOf(error)}`)
    process.exit(EXIT.failed)
  })
  const ended = signal()
  ready?.()
  await ended
  process.once('SIGINT', endAtOnce)
  process.once('SIGTERM', endAtOnce)
  const limit = setTimeout(() => {
    log.error({}, `not stopped after ${STOP_LIMIT_MS} ms: given up`)
    endAtOnce()
  }, STOP_LIMIT_MS)
  await stop()
  clearTimeout(limit)
  return EXIT.done
}

function signal(): Promise<void> {
  return new Promise(resolve => {
    process.once('SIGTERM', () => resolve())
    process.once('SIGINT', () => resolve())
  })
}
