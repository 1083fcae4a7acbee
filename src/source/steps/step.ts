import type { z } from 'zod'
import type { Fields } from '../../record/fields.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Flowing } from './flowing.ts'

export interface StepContext {
  readonly clock: Clock
  /** Hands on a record to the next step. */
  pass(record: Flowing): void
  /** Counts a record that goes no further; each is either passed on in some form, or counted here. */
  withhold(): void
  /** Counts a record that the step cannot judge, because it has no fields, or not those: it goes on as it came. */
  unread(): void
}

/** One step of one source while it runs. */
export interface Step {
  take(record: Flowing): void
  /** Hands on what is held, because the source ends. */
  end?(): void
}

/** One kind of step: schema, documentation, what it does to records, and to what is known of their fields. */
export interface StepKind<Options = unknown> {
  /** The key in a pipeline file: `- filter: …`. */
  readonly kind: string
  readonly summary: string
  readonly options: z.ZodType<Options>
  /** The fields behind it, from those before it. */
  fields?(options: Options, before: Fields): Fields
  open(options: Options, context: StepContext): Step
}

/** Keeps the options' type while kinds are listed together. */
export function defineStep<Options>(kind: StepKind<Options>): StepKind<Options> {
  return kind
}
