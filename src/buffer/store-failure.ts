import { isDamagedDatabase } from '../runtime/damaged-database.ts'
import { ERROR_CODES, type ErrorCode, HeadraceError } from '../runtime/errors.ts'

/** What went wrong in the store, as it passes from one thread to another. */
export interface Failure {
  readonly code: string
  readonly message: string
  readonly advice: string | undefined
}

export function toError({ code, message, advice }: Failure): HeadraceError {
  const known = ERROR_CODES.find(each => each === code) as ErrorCode | undefined
  return new HeadraceError(known ?? 'buffer_corrupt', message, advice === undefined ? {} : { advice })
}

export function toFailure(error: unknown): Failure {
  if (error instanceof HeadraceError) return { code: error.code, message: error.message, advice: error.advice }
  const { code, message } = error as { code?: string; message?: string }
  const text = `${code ?? ''} ${message ?? String(error)}`.trim()
  // Everything else says nothing about the file.
  if (isDamagedDatabase(error)) return { code: 'buffer_corrupt', message: text, advice: undefined }
  if (code === 'SQLITE_FULL' || code === 'ENOSPC')
    return { code: 'disk_full', message: text, advice: 'Free space on the file system of the state directory.' }
  const advice = 'Look at owner, permissions and mount of the state directory, and at the disk. Nothing in it was changed.'
  return { code: 'disk_unusable', message: text, advice }
}
