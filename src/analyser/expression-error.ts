import { HeadraceError, messageOf } from '../runtime/errors.ts'

/** An expression is wrong at this place in its text, counted from 0. */
export class ExpressionError extends HeadraceError {
  readonly offset: number

  constructor(offset: number, message: string, advice: string, cause?: unknown) {
    super('config_invalid', message, { advice, ...(cause !== undefined && { cause }) })
    this.offset = offset
  }
}

/** What other languages have in the place of CEL's operators. */
const FOREIGN: Readonly<Record<string, string>> = { and: '&&', or: '||', '=': '==' }

/** What the library says of a text, with the place; `known` is advice. */
export function invalidExpression(cause: unknown, text: string, known: string): ExpressionError {
  const range = cause instanceof Error && 'range' in cause ? (cause.range as { start?: number } | undefined) : undefined
  const [foreign = ''] = /^(?:and\b|or\b|=(?!=))/i.exec(text.slice(range?.start ?? 0)) ?? []
  const meant = FOREIGN[foreign.toLowerCase()]
  if (meant !== undefined) return new ExpressionError(range?.start ?? 0, `has ${foreign}: CEL writes ${meant}`, known, cause)
  const summary = cause instanceof Error && 'summary' in cause ? String(cause.summary) : messageOf(cause).split('\n')[0]
  return new ExpressionError(range?.start ?? 0, `is wrong: ${summary}`, known, cause)
}
