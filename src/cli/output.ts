import { HeadraceError } from '../runtime/errors.ts'
import { hideSecrets } from '../runtime/hide-secrets.ts'

/** Exit codes of every command. */
export const EXIT = { done: 0, failed: 1, wrongInput: 2 } as const

export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** What a person should know beside the result: not for whoever reads the result. */
export function remark(text: string): void {
  process.stderr.write(`${text}\n`)
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2))
}

/** Addresses in errors are as they were given: with names and passwords. */
function say(text: string): void {
  process.stderr.write(hideSecrets(text))
}

/** An error as a person reads it, and the exit code that goes with it. Never a stack: that is for the log, where somebody asks for it. */
export function report(error: unknown): number {
  if (isSystemError(error)) {
    say(`headrace: ${error.message}\n`)
    return EXIT.failed
  }
  if (!(error instanceof HeadraceError)) {
    say(`headrace: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
    return EXIT.failed
  }
  say(`${error.code === 'config_invalid' ? '' : 'headrace: '}${error.message}\n`)
  if (error.advice) say(`${error.advice}\n`)
  return error.code === 'config_invalid' || error.code === 'not_found' ? EXIT.wrongInput : EXIT.failed
}

/** What the system refused (a file, a port): its message says what and where. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error && 'errno' in error
}

/** Rows as aligned columns; numbers to the right. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const all = [head, ...rows.map(row => row.map(String))]
  const widths = head.map((_, column) => Math.max(...all.map(row => (row[column] ?? '').length)))
  const right = head.map((_, column) => rows.length > 0 && rows.every(row => typeof row[column] === 'number'))
  return all
    .map(row =>
      row
        .map((cell, column) => (right[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
