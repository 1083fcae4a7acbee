import { checkBatchCrc, readBatchHeader } from '../record/batch-header.ts'

/** Whether a batch's bytes still are what its CRC says. */
export function isIntact(bytes: Buffer): boolean {
  try {
    checkBatchCrc(bytes, readBatchHeader(bytes))
    return true
  } catch {
    return false
  }
}
