import { HeadraceError } from '../runtime/errors.ts'

/** One thing that is wrong in a file, and where; lines and columns count from 1. */
export interface ConfigIssue {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly message: string
}

/** `FILE:LINE:COLUMN: message`, the form that editors and compilers share. */
export function formatIssue({ file, line, column, message }: ConfigIssue): string {
  return `${file}:${line}:${column}: ${message}`
}

/** Everything that is wrong in what a person wrote, in the order in which it stands there. */
export class ConfigError extends HeadraceError {
  readonly issues: readonly ConfigIssue[]

  constructor(issues: readonly ConfigIssue[]) {
    const sorted = issues.toSorted((a, b) => a.file.localeCompare(b.file) || a.line - b.line || a.column - b.column)
    super('config_invalid', sorted.map(formatIssue).join('\n'))
    this.issues = sorted
  }
}
