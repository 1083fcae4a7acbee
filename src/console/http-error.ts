import { type ErrorCode, HeadraceError, messageOf } from '../runtime/errors.ts'

/** An answer other than 200 that a handler asks for. */
export class HttpError extends Error {
  readonly status: number
  readonly advice: string | undefined

  constructor(status: number, message: string, advice?: string) {
    super(message)
    this.status = status
    this.advice = advice
  }
}

const STATUS_OF: Partial<Record<ErrorCode, number>> = {
  not_found: 404,
  config_invalid: 400,
  limit_exceeded: 409,
  offset_out_of_range: 409,
  group_in_use: 409,
  claim_refused: 409,
  command_failed: 409,
  log_unavailable: 503,
  timeout: 504,
}

export interface ErrorBody {
  readonly error: { readonly code: string; readonly message: string; readonly advice?: string }
}

/** What is answered for an error: the closed list of codes that the command line has, and never a stack. */
export function errorAnswer(error: unknown): { status: number; body: ErrorBody } {
  if (error instanceof HttpError) {
    const { status, message, advice } = error
    return { status, body: { error: { code: `http_${status}`, message, ...(advice !== undefined && { advice }) } } }
  }
  if (error instanceof HeadraceError) {
    const { code, message, advice } = error
    return { status: STATUS_OF[code] ?? 500, body: { error: { code, message, ...(advice !== undefined && { advice }) } } }
  }
  return { status: 500, body: { error: { code: 'internal', message: messageOf(error) } } }
}
