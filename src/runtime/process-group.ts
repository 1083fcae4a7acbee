/** Signals a process that was started in a group of its own, and all that it started and that stayed there. One that has ended is left alone. */
export function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  // 0 would be this process's own group.
  if (!pid) return
  try {
    process.kill(-pid, signal)
  } catch {
    // The whole group has ended already.
  }
}
