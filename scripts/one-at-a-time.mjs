import { readFileSync, rmSync, writeFileSync } from 'node:fs'

const POLL_MS = 100
const WAIT_LIMIT_MS = 15 * 60_000

/** The process that holds the lock, or none: its file is there but nobody is alive behind it. */
function holderOf(path) {
  try {
    const pid = Number(readFileSync(path, 'utf8'))
    if (!Number.isInteger(pid) || pid <= 0) return undefined
    process.kill(pid, 0)
    return pid
  } catch (error) {
    return error.code === 'EPERM' ? 'another user’s process' : undefined
  }
}

function take(path) {
  try {
    writeFileSync(path, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  }
}

/**
 * Does `work` while no other process does what is behind the same lock file, and waits for one that does: synchronously, since nothing
 * else can be done before. The file of a process that was killed is taken over.
 * @throws {Error} after 15 minutes of waiting, with the process that holds the lock
 */
export function oneAtATime(path, work) {
  const until = performance.now() + WAIT_LIMIT_MS
  // A file that was made and not yet written looks like one left behind: it is looked at twice before it is taken over.
  let leftBehind = 0
  while (!take(path)) {
    const holder = holderOf(path)
    leftBehind = holder === undefined ? leftBehind + 1 : 0
    if (leftBehind > 1) rmSync(path, { force: true })
    else if (performance.now() > until)
      throw new Error(`${path} is held by process ${holder} for more than 15 minutes: end it, or remove the file`)
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL_MS)
  }
  try {
    return work()
  } finally {
    rmSync(path, { force: true })
  }
}
