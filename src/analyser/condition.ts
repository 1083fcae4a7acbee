import type { ASTNode, Environment } from '@marcbachmann/cel-js'
import { HeadraceError, messageOf } from '../runtime/errors.ts'
import { EXPRESSION_LENGTH_MAX, expressionEnvironment } from '../runtime/expression.ts'
import { FieldWindow } from './field-window.ts'

/** The aggregates that a condition may ask of a field; the same list checks, evaluates and documents. */
export const AGGREGATES = {
  avg: (window: FieldWindow) => window.avg,
  sum: (window: FieldWindow) => window.sum,
  min: (window: FieldWindow) => window.min,
  max: (window: FieldWindow) => window.max,
  first: (window: FieldWindow) => window.first,
  last: (window: FieldWindow) => window.last,
  delta: (window: FieldWindow) => window.last - window.first,
  stddev: (window: FieldWindow) => window.stddev,
  count: (window: FieldWindow) => window.count,
} as const

export type AggregateName = keyof typeof AGGREGATES

/** A condition over the fields of one window, compiled once. */
export interface Condition {
  readonly text: string
  /** The fields it needs; where one has no value in a window, nothing can be said of that window. */
  readonly fields: readonly string[]
  holds(windows: ReadonlyMap<string, FieldWindow>): boolean
  /** Each aggregate that the condition names, with its value: `avg(oil_c)` → 91.2. */
  values(windows: ReadonlyMap<string, FieldWindow>): Record<string, number>
}

function environment(): Environment {
  const cel = expressionEnvironment()
  cel.registerType('Field', FieldWindow)
  for (const [name, aggregate] of Object.entries(AGGREGATES)) cel.registerFunction(`${name}(Field): double`, aggregate)
  return cel
}

/**
 * Compiles a condition in CEL (Common Expression Language) over aggregates of fields, such as `avg(oil_c) > 90 && max(bar) < 12`.
 * Throws `config_invalid` with the place in the expression.
 */
export function compileCondition(text: string): Condition {
  if (text.length > EXPRESSION_LENGTH_MAX) {
    throw new HeadraceError('config_invalid', `the condition has ${text.length} characters; ${EXPRESSION_LENGTH_MAX} are allowed`)
  }
  const cel = environment()
  let evaluate: ReturnType<Environment['parse']>
  try {
    evaluate = cel.parse(text)
  } catch (cause) {
    throw invalid(text, cause)
  }
  const check = evaluate.check()
  if (!check.valid) throw invalid(text, check.error)
  if (check.type !== 'bool') {
    throw new HeadraceError('config_invalid', `the condition "${text}" gives ${check.type}, not true or false`, {
      advice: 'Compare an aggregate with a number, for example avg(oil_c) > 90.',
    })
  }
  const calls = aggregateCalls(evaluate.ast)
  const fields = [...new Set(calls.map(call => call.field))]
  if (fields.length === 0) {
    throw new HeadraceError('config_invalid', `the condition "${text}" names no field`, {
      advice: `Write an aggregate of a field: ${Object.keys(AGGREGATES).join(', ')}.`,
    })
  }
  const complete = (windows: ReadonlyMap<string, FieldWindow>) => fields.every(field => (windows.get(field)?.count ?? 0) > 0)
  return {
    text,
    fields,
    holds: windows => complete(windows) && evaluate(Object.fromEntries(windows)) === true,
    values: windows => {
      const values: Record<string, number> = {}
      for (const { name, field } of calls) {
        const window = windows.get(field)
        if (window && window.count > 0) values[`${name}(${field})`] = AGGREGATES[name](window)
      }
      return values
    },
  }
}

function invalid(text: string, cause: unknown): HeadraceError {
  const [reason = ''] = messageOf(cause).split('\n')
  const at = cause instanceof Error && 'range' in cause ? (cause.range as { start?: number } | undefined)?.start : undefined
  const where = at === undefined ? '' : ` at character ${at + 1}`
  return new HeadraceError('config_invalid', `the condition "${text}" is wrong${where}: ${reason}`, {
    advice: `Known aggregates: ${Object.keys(AGGREGATES).join(', ')}; operators as in CEL: && || ! == != < <= > >= + - * /.`,
    cause,
  })
}

/** Every `aggregate(field)` in the expression, each once, in the order written. */
function aggregateCalls(root: ASTNode): { name: AggregateName; field: string }[] {
  const found = new Map<string, { name: AggregateName; field: string }>()
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) {
      for (const part of value) visit(part)
      return
    }
    if (typeof value !== 'object' || value === null || !('op' in value)) return
    const node = value as ASTNode
    if (node.op === 'call') {
      const [name, args] = node.args
      const [field] = args
      if (Object.hasOwn(AGGREGATES, name) && field?.op === 'id') {
        found.set(`${name}(${field.args})`, { name: name as AggregateName, field: field.args })
      }
      visit(args)
    } else if (Array.isArray(node.args)) visit(node.args)
    else visit([node.args])
  }
  visit(root)
  return [...found.values()]
}
