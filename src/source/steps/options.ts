import { z } from 'zod'
import type { Fields } from '../../record/fields.ts'
import { STEP_KINDS } from './kinds.ts'
import type { StepKind } from './step.ts'

export const STEPS_MAX = 50

const names = STEP_KINDS.map(({ kind }) => kind)
const shape = Object.fromEntries(
  STEP_KINDS.map(({ kind, options, summary }) => [kind, options.optional().describe(summary)]),
) as Record<string, z.ZodOptional<z.ZodType>>

const stepSchema = z.strictObject(shape).superRefine((step, context) => {
  const given = names.filter(name => (step as Record<string, unknown>)[name] !== undefined)
  if (given.length !== 1) context.addIssue({ code: 'custom', message: `a step does one thing: one of ${names.join(', ')}` })
})

/** `steps:` of a source in a pipeline file. */
export const stepsOptions = z.array(stepSchema).max(STEPS_MAX)
export type StepsOptions = z.output<typeof stepsOptions>

export interface ChosenStep {
  readonly kind: StepKind
  readonly options: unknown
}

export function chosenSteps(steps: StepsOptions): ChosenStep[] {
  return steps.flatMap(step => {
    const kind = STEP_KINDS.find(each => (step as Record<string, unknown>)[each.kind] !== undefined)
    return kind ? [{ kind, options: (step as Record<string, unknown>)[kind.kind] }] : []
  })
}

/** What is known of the fields behind the steps. */
export function fieldsBehind(steps: readonly ChosenStep[], before: Fields): Fields {
  return steps.reduce((fields, { kind, options }) => kind.fields?.(options, fields) ?? fields, before)
}
