import { messageOf } from '../../runtime/errors.ts'
import type { Logger } from '../../runtime/logger.ts'
import { Command } from './command.ts'
import type { RunLog } from './run-log.ts'

/** A command that tells somebody takes seconds. */
const LIMIT_MS = 60_000

export interface Failure {
  readonly job: string
  readonly run: string | null
  readonly error: string
  readonly exit_code: number | null
  readonly attempts: number
  readonly log: string | null
}

/** Starts a job's `on_failure` command, which `signal` ends; what becomes of it is logged, and changes nothing. */
export async function tellFailure(
  words: readonly string[],
  failure: Failure,
  where: { folder: string; runLog: RunLog; logger: Logger; signal: AbortSignal },
): Promise<void> {
  const { folder, runLog, logger, signal } = where
  try {
    const command = new Command({
      run: words,
      cwd: folder,
      environment: {
        HEADRACE_JOB: failure.job,
        HEADRACE_RUN_ID: failure.run ?? '',
        HEADRACE_ERROR: failure.error,
        HEADRACE_EXIT_CODE: failure.exit_code === null ? '' : String(failure.exit_code),
        HEADRACE_LOG: failure.log ?? '',
      },
      timeLimitMs: LIMIT_MS,
      signal,
      log: runLog,
    })
    // It need not read what it is given.
    command.stdin.on('error', () => {}).end(`${JSON.stringify(failure)}\n`)
    const { error } = await command.ended
    if (error !== undefined) logger.warn({ job: failure.job }, `the on_failure command ${words[0]}: ${error}`)
  } catch (error) {
    logger.warn({ job: failure.job }, `the on_failure command ${words[0]} could not be started: ${messageOf(error)}`)
  }
}
