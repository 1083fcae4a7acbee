import type fc from 'fast-check'

/** Something that reads bytes from outside, and inputs for it. */
export interface Target<Input = unknown> {
  readonly name: string
  readonly input: fc.Arbitrary<Input>
  /** Throws where the target does anything but take the input or refuse it in its own words. */
  run(input: Input): void | Promise<void>
  /** Starts what the target needs. */
  open?(): Promise<void>
  close?(): Promise<void>
  /** Inputs in a short run; a thousand unless set. */
  readonly runs?: number
}

/** Keeps the type of the inputs between `input` and `run`. */
export function target<Input>(of: Target<Input>): Target<Input> {
  return of
}
