import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const CACHE = fileURLToPath(new URL('../../.cache', import.meta.url))
/** A first fetch over a slow line takes minutes; a process that holds the lock for longer than this is stuck. */
const PROVISION_LIMIT_MS = 15 * 60_000
const LOCK_POLL_MS = 200

/**
 * A folder in `.cache/` that was made once; `stamp` says what it was made from, and another stamp makes it anew. `make` fills a fresh folder beside it:
 * what is in its place is whole. Any number of processes may ask at once.
 */
export async function provisioned(name: string, stamp: string, make: (folder: string) => Promise<void>): Promise<string> {
  const home = join(CACHE, name)
  const stampFile = join(home, 'stamp')
  const there = () => existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp
  const provision = async () => {
    if (there()) return
    await need('java', ['-version'], 'Java 17 or newer (Debian: openjdk-17-jre-headless)')
    await need('mvn', ['-v'], 'Maven (Debian: maven)')
    process.stderr.write(`setup: fetching ${name} for the tests from Maven Central (once)…\n`)
    const fresh = `${home}.${process.pid}`
    rmSync(fresh, { recursive: true, force: true })
    mkdirSync(fresh, { recursive: true })
    await make(fresh)
    writeFileSync(join(fresh, 'stamp'), stamp)
    rmSync(home, { recursive: true, force: true })
    renameSync(fresh, home)
  }
  if (!there()) await withLock(`${home}.lock`, provision)
  return home
}

/** Runs a program to its end; throws with what it said where it fails. */
export async function ran(command: string, args: readonly string[]): Promise<void> {
  const run = await finished(command, args)
  if (run.code !== 0) throw new Error(`${command} failed (exit code ${run.code}):\n${run.output}`)
}

/** Throws, naming what to install, where a program that the live tests need is missing. */
async function need(command: string, args: readonly string[], what: string): Promise<void> {
  const run = await finished(command, args).catch(() => undefined)
  if (run?.code !== 0) throw new Error(`the live tests need ${what}: "${command} ${args.join(' ')}" does not run`)
}

function finished(command: string, args: readonly string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: PROVISION_LIMIT_MS })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', bytes => (output += bytes))
    child.on('error', reject)
    child.on('close', code => resolve({ code, output }))
  })
}

/** Holds a lock file while `work` runs; a lock whose process is gone is taken over. */
async function withLock(lock: string, work: () => Promise<void>): Promise<void> {
  mkdirSync(CACHE, { recursive: true })
  const giveUpAt = performance.now() + PROVISION_LIMIT_MS
  while (!takeLock(lock)) {
    if (performance.now() > giveUpAt) throw new Error(`another process holds ${lock} for too long: end it, or delete the file`)
    await sleep(LOCK_POLL_MS)
  }
  try {
    await work()
  } finally {
    rmSync(lock, { force: true })
  }
}

function takeLock(lock: string): boolean {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' })
    return true
  } catch {
    const holder = existsSync(lock) ? Number(readFileSync(lock, 'utf8')) : 0
    if (holder > 0 && !isAlive(holder)) rmSync(lock, { force: true })
    return false
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
