import type { Environment } from '@marcbachmann/cel-js'
import { HeadraceError, messageOf } from './errors.ts'
import { onDemand } from './on-demand.ts'

const cel = onDemand<typeof import('./cel-itself.ts')>(new URL('./cel-itself.ts', import.meta.url))

/** How long an expression may be; a person writes none that is. */
export const EXPRESSION_LENGTH_MAX = 2_000

/**
 * CEL (Common Expression Language) as a person writes it: names that are not declared are fields, and whole numbers may be counted with others, for
 * which CEL has neither arithmetic nor equality.
 */
export function expressionEnvironment(): Environment {
  const environment = new (cel().Environment)({ unlistedVariablesAreDyn: true })
  environment.registerOperator('double == int', (a: number, b: bigint) => a === Number(b))
  const arithmetic = {
    '+': (a: number, b: number) => a + b,
    '-': (a: number, b: number) => a - b,
    '*': (a: number, b: number) => a * b,
    '/': (a: number, b: number) => a / b,
  }
  for (const [sign, apply] of Object.entries(arithmetic)) {
    environment.registerOperator(`double ${sign} int`, (a: number, b: bigint) => apply(a, Number(b)))
    environment.registerOperator(`int ${sign} double`, (a: bigint, b: number) => apply(Number(a), b))
  }
  return environment
}

/** Tells whether a record's fields fulfil a condition; undefined where that cannot be said, because a field is missing or of another type. */
export type FieldCondition = (fields: Readonly<Record<string, unknown>>) => boolean | undefined

/**
 * Compiles a condition over the fields of one record, such as `temp_c > 5 && state == "on"`. `record.type` reaches a field whose name is a word of
 * CEL's own. Throws `config_invalid` with what is wrong.
 */
export function compileFieldCondition(text: string): FieldCondition {
  if (text.length > EXPRESSION_LENGTH_MAX) {
    throw new HeadraceError('config_invalid', `the condition has ${text.length} characters; ${EXPRESSION_LENGTH_MAX} are allowed`)
  }
  try {
    const evaluate = expressionEnvironment().parse(text)
    const check = evaluate.check()
    if (!check.valid) throw check.error
    if (check.type !== 'bool' && check.type !== 'dyn') throw new Error(`it gives ${check.type}, not true or false`)
    return fields => {
      try {
        const answer: unknown = evaluate({ record: fields, ...fields })
        return typeof answer === 'boolean' ? answer : undefined
      } catch {
        return undefined
      }
    }
  } catch (cause) {
    const [reason = ''] = messageOf(cause).split('\n')
    throw new HeadraceError('config_invalid', `the condition "${text}" is wrong: ${reason}`, {
      advice:
        'Conditions are CEL over the fields of a record, for example temp_c > 5 && state == "on"; a field named like a word of CEL is written record.type.',
      cause,
    })
  }
}
