import { readFileSync } from 'node:fs'
import type { Clock, Timer } from './clock.ts'
import { giveEmptyMemoryBack } from './empty-memory.ts'
import { repeating } from './repeating.ts'
import { systemFunction } from './system-function.ts'

type Madvise = (address: number, bytes: number, advice: number) => number

/** By then a start is over, which should not wait for this, and most of what it needed is needed no more, ms. */
const STARTED_AFTER_MS = 5_000
/** How often, ms: what a start, a reload or a new connection needed once is let go of again. */
const LET_GO_EVERY_MS = 300_000
/** madvise(2): what is mapped of a file and was never written is taken from the file again when it is next used. */
const MADV_DONTNEED = 4
/** The parts of a process's memory, and what of each is resident: proc_pid_smaps(5). */
const SMAPS = '/proc/self/smaps'
/** `from-to permissions offset device inode path`, hexadecimal addresses. */
const HEAD = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ (\d+)/
/** Pages of which the process has a copy of its own, in memory or put away by the system: taking those from the file would undo what was written. */
const OWN = /^(?:Anonymous|Swap): +(\d+) kB/
const LAST_OF_PART = /^VmFlags:/

/** Addresses in this process's memory where a file is of which it changed nothing. */
export interface CleanPart {
  readonly from: number
  readonly to: number
}

/** Parts of which every page can be had again from its file: private, not to be written, and nowhere a copy of its own, as where a loader wrote addresses. */
export function cleanParts(smaps: string): CleanPart[] {
  const parts: CleanPart[] = []
  let part: CleanPart | undefined
  for (const line of smaps.split('\n')) {
    const [, from, to, permissions, inode] = HEAD.exec(line) ?? []
    if (from !== undefined && to !== undefined) {
      const isOfFile = inode !== '0' && permissions?.[1] !== 'w' && permissions?.[3] === 'p'
      part = isOfFile ? { from: Number.parseInt(from, 16), to: Number.parseInt(to, 16) } : undefined
    } else if (Number(OWN.exec(line)?.[1] ?? 0) > 0) part = undefined
    else if (part && LAST_OF_PART.test(line)) parts.push(part)
  }
  return parts
}

/**
 * Lets go of all pages of programs in this process, soon and then every few minutes, until the timer that it gives is cancelled. Of Node's own program 44 MiB
 * are resident once it has started, and a gateway needs a fifth of them. With them goes what lies empty in the C library, of which a start has some too. What is used again comes back from the system's page cache, within microseconds; or
 * from the disk where memory was short and it had been taken from there, as it may be in any process.
 */
export function letGoOfProgramPages(clock: Clock): Timer {
  let later: Timer | undefined
  let isOver = false
  const begin = async () => {
    const madvise = await systemFunction<Madvise>('int madvise(uintptr_t address, size_t bytes, int advice)')
    if (!madvise || isOver) return
    const letGo = () => {
      for (const { from, to } of ownParts()) madvise(from, to - from, MADV_DONTNEED)
      void giveEmptyMemoryBack()
    }
    letGo()
    later = repeating(clock, LET_GO_EVERY_MS, letGo)
  }
  const first = clock.after(STARTED_AFTER_MS, () => void begin(), 'background')
  return {
    cancel: () => {
      isOver = true
      first.cancel()
      later?.cancel()
    },
  }
}

/** Nothing where the system does not say: what is resident then stays so, which costs memory and nothing else. */
function ownParts(): CleanPart[] {
  try {
    return cleanParts(readFileSync(SMAPS, 'utf8'))
  } catch {
    return []
  }
}
