export type Severity = 'ok' | 'warning' | 'error'

/** What one check found, and what to do about it. */
export interface Finding {
  /** What was looked at: `disk`, `clock`, `device`, … */
  readonly check: string
  readonly severity: Severity
  readonly message: string
  /** What to do; absent where nothing is to be done. */
  readonly advice?: string
}

export const ok = (check: string, message: string): Finding => ({ check, severity: 'ok', message })
export const warning = (check: string, message: string, advice: string): Finding => ({
  check,
  severity: 'warning',
  message,
  advice,
})
export const error = (check: string, message: string, advice: string): Finding => ({ check, severity: 'error', message, advice })
