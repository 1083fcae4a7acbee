import { chownSync, statSync } from 'node:fs'

/** Run as root for a service of another user: what was made becomes the service's, whose `like` is. */
export function giveToOwnerOf(like: string, made: readonly string[]): void {
  if (process.getuid?.() !== 0) return
  const { uid, gid } = statSync(like)
  for (const path of made) chownSync(path, uid, gid)
}
