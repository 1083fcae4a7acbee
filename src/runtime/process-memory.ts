import { totalmem } from 'node:os'

/** What this process may have of the machine's memory, bytes: what a container may, where it is in one. */
export function processMemory(): number {
  // No limit is a number that is larger than any machine, or 0.
  return Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY)
}
