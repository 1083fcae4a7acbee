import type { Loss, Run } from '../reader/ledger.ts'

export type RunJson = ReturnType<typeof runJson>
export type LossJson = ReturnType<typeof lossJson>

/** A run as commands and the API give it. */
export function runJson({ atMs, startedMs, endedMs, exitCode, ...rest }: Run) {
  return { ...rest, at_ms: atMs, started_ms: startedMs, ended_ms: endedMs, exit_code: exitCode }
}

export function lossJson({ acceptedMs, ...rest }: Loss) {
  return { ...rest, accepted_ms: acceptedMs }
}
