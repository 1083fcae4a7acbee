import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** Clock ticks a second in /proc, as on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

/** CPU time of a process and all its threads so far, user and system, seconds. */
export function cpuSeconds(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The name may hold spaces and brackets: fields are counted from behind it.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

/** The most memory that the process has had resident so far, MiB. */
export function peakRssMib(pid: number): number {
  const match = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return match ? Math.round(Number(match[1]) / 1_024) : Number.NaN
}

/** The memory that is resident now, MiB. */
export function rssMib(pid: number): number {
  const match = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return match ? Math.round(Number(match[1]) / 1_024) : Number.NaN
}

/** Bytes that a process has made the kernel bring to storage so far; NaN where the system does not tell. */
export function writtenBytes(pid: number): number {
  return Number(/^write_bytes: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'latin1'))?.[1] ?? Number.NaN)
}

/** How often threads of a process gave up the processor to wait, and so woke up again, so far. */
export function wakeUps(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => {
    const match = /^voluntary_ctxt_switches:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8'))
    return sum + Number(match?.[1] ?? 0)
  }, 0)
}

/** Bytes that were sent, with what was sent again, over the connections that are open to a port of this machine; NaN where `ss` is missing. */
export function bytesSentTo(port: number): number {
  const { stdout, error } = spawnSync('ss', ['-tinH', `dport = :${port}`], { encoding: 'utf8' })
  if (error) return Number.NaN
  return [...stdout.matchAll(/bytes_sent:(\d+)/g)].reduce((sum, match) => sum + Number(match[1]), 0)
}

/** Arguments of Node under which a process leaves a CPU profile of each of its threads in a folder when it ends. */
export function profileArgs(folder: string): readonly string[] {
  return ['--cpu-prof', `--cpu-prof-dir=${folder}`, '--cpu-prof-interval', '500']
}
