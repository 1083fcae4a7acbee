import { fork } from 'node:child_process'
import { type ErrorCode, HeadraceError } from '../runtime/errors.ts'
import type { EdgeConfig } from './edge.ts'
import { ConfigError, type ConfigIssue } from './errors.ts'
import type { CheckedPipeline, LoadedEdge } from './load.ts'

/** How long the other process may take, ms: a small gateway that has just been switched on is slow. */
const CHECK_LIMIT_MS = 60_000

/** A gateway's configuration, as plain data. */
export interface CheckedEdge {
  readonly config: EdgeConfig
  readonly pipelines: readonly CheckedPipeline[]
}

/** What the process answers. */
export type Checked =
  | ({ readonly outcome: 'right' } & CheckedEdge)
  | { readonly outcome: 'wrong'; readonly issues: readonly ConfigIssue[] }
  | { readonly outcome: 'failed'; readonly code: ErrorCode; readonly message: string; readonly advice?: string }
  | { readonly outcome: 'needed_whole' }

/**
 * Reads and checks edge.yaml and its pipelines in a process of its own, which ends with it: YAML, schemas and expressions take more memory than all that the
 * agent does with them, and it runs for years. Throws what {@link loadEdge} throws.
 */
export async function checkEdge(file: string): Promise<CheckedEdge | LoadedEdge> {
  const checked = await askProcess(file)
  switch (checked?.outcome) {
    case 'right':
      return checked
    case 'wrong':
      throw new ConfigError(checked.issues)
    case 'failed':
      throw new HeadraceError(checked.code, checked.message, checked.advice === undefined ? {} : { advice: checked.advice })
    default: {
      // Also where no process could be had, or it has ended: that takes memory here, and no reading is lost for it.
      const { loadEdge } = await import('./load.ts')
      return loadEdge(file)
    }
  }
}

function askProcess(file: string): Promise<Checked | undefined> {
  const child = fork(new URL('./check-process.ts', import.meta.url), [file], { execArgv: [], serialization: 'advanced' })
  return new Promise<Checked | undefined>(resolve => {
    child.once('message', resolve as (checked: unknown) => void)
    // Told after all that it has sent.
    child.once('disconnect', () => resolve(undefined))
    child.once('error', () => resolve(undefined))
    setTimeout(() => resolve(undefined), CHECK_LIMIT_MS).unref()
  }).finally(() => child.kill('SIGKILL'))
}
