import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

export interface ProcessSample {
  readonly rssMib: number
  readonly handles: number
}

/** Memory and file handles of a process, from /proc; undefined where it is gone. */
export function sampleProcess(pid: number): ProcessSample | undefined {
  try {
    const rss = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
    const handles = readdirSync(`/proc/${pid}/fd`).length
    return rss ? { rssMib: Number(rss[1]) / 1_024, handles } : undefined
  } catch {
    return undefined
  }
}

/** What the files under a folder take, MiB; what disappears meanwhile counts nothing. */
export function folderMib(folder: string): number {
  let bytes = 0
  try {
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) bytes += sizeOf(join(entry.parentPath, entry.name))
    }
  } catch {
    return 0
  }
  return bytes / 2 ** 20
}

function sizeOf(file: string): number {
  try {
    return statSync(file).size
  } catch {
    return 0
  }
}
