import type { Step, StepResult } from './store-calls.ts'

/** A step, and what is to be done when it is on disk. */
export interface Planned {
  readonly step: Step
  done(result: StepResult): void
  /** The commit failed: what the step took along is back. */
  failed?(): void
}
