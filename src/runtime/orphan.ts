import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { HeadraceError } from './errors.ts'

/** How long a killed process may take to be gone. */
const GONE_LIMIT_MS = 10_000
const LOOK_EVERY_MS = 10

/** Keeps which process a run's command is, so that one that outlived a killed core is found. */
export function keepProcess(path: string, pid: number): void {
  writeFileSync(path, JSON.stringify({ pid, start: startOf(pid) ?? null, boot: bootId() }))
}

export function forgetProcess(path: string): void {
  rmSync(path, { force: true })
}

/** Ends what is left of the command of a core that was killed: the same run begins again now, and two of it must not write at once. */
export async function endOrphan(path: string): Promise<boolean> {
  let kept: { pid: number; start: string | null; boot: string }
  try {
    kept = JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return false
  }
  const start = startOf(kept.pid)
  // A number that another process has by now is not ours to end; while a group has members, no process gets its number.
  if (kept.boot !== bootId() || (start !== undefined && start !== kept.start) || !isThere(kept.pid)) return false
  process.kill(-kept.pid, 'SIGKILL')
  for (const giveUpAt = performance.now() + GONE_LIMIT_MS; isThere(kept.pid); ) {
    if (performance.now() > giveUpAt)
      throw new HeadraceError('command_failed', `process group ${kept.pid} of an earlier attempt does not end`)
    await new Promise(resolve => setTimeout(resolve, LOOK_EVERY_MS))
  }
  return true
}

/** Whether a process group has members; one that has ended and was not waited for is none. */
function isThere(group: number): boolean {
  if (!existsSync('/proc/self/stat')) return canSignal(group)
  return readdirSync('/proc').some(name => {
    const [state, , pgrp] = /^\d+$/.test(name) ? (statOf(Number(name)) ?? []) : []
    return Number(pgrp) === group && state !== 'Z'
  })
}

function canSignal(group: number): boolean {
  try {
    process.kill(-group, 0)
    return true
  } catch {
    return false
  }
}

/** proc(5) stat from its third field on: state, parent, process group, … */
function statOf(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}

/** Field 22: when the process was started, in ticks since the boot; undefined where it is not there, or the system has no /proc. */
function startOf(pid: number): string | undefined {
  return statOf(pid)?.[19]
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}
