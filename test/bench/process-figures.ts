import { readFileSync } from 'node:fs'

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

/** Arguments of Node under which a process leaves a CPU profile of each of its threads in a folder when it ends. */
export function profileArgs(folder: string): readonly string[] {
  return ['--cpu-prof', `--cpu-prof-dir=${folder}`, '--cpu-prof-interval', '500']
}
