import { execFileSync } from 'node:child_process'

/** Whether processes can be traced here. */
export function hasStrace(): boolean {
  try {
    execFileSync('strace', ['-e', 'trace=openat', '-o', '/dev/null', 'true'])
    return true
  } catch {
    return false
  }
}
