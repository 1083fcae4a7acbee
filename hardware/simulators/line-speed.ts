import { execFileSync } from 'node:child_process'

/**
 * Whether whoever has opened a port has set it to this speed. A pseudo terminal carries bytes at any; where the system does not tell, as for a port that another
 * user has locked, it is taken to be right.
 */
export function isAtSpeed(path: string, baud: number): boolean {
  try {
    return Number(execFileSync('stty', ['-F', path, 'speed'], { stdio: ['ignore', 'pipe', 'ignore'] })) === baud
  } catch {
    return true
  }
}

/** What is heard at another speed: nothing that was said, and no more of it. */
export function atWrongSpeed(bytes: Buffer): Buffer {
  return Buffer.from(bytes.map(byte => ~(byte << 1) & 0xff))
}
