import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const POM = fileURLToPath(new URL('./pom.xml', import.meta.url))
const CACHE = join(ROOT, '.cache')
const HOME = join(CACHE, 'kafka-4.3.1')
const STAMP = join(HOME, 'stamp')
const LOCK = join(CACHE, 'kafka-4.3.1.lock')

/** A first fetch over a slow line takes minutes; a process that holds the lock for longer than this is stuck. */
const PROVISION_LIMIT_MS = 15 * 60_000
const LOCK_POLL_MS = 200

/** Class path of Kafka's broker and tools; fetched once from Maven Central into `.cache/`. Any number of processes may ask at once. */
export async function kafkaClassPath(): Promise<string> {
  const wanted = createHash('sha256').update(readFileSync(POM)).digest('hex')
  const there = () => existsSync(STAMP) && readFileSync(STAMP, 'utf8') === wanted
  if (!there()) await withLock(async () => (there() ? undefined : provision(wanted)))
  return join(HOME, 'lib', '*')
}

async function provision(stamp: string): Promise<void> {
  await need('java', ['-version'], 'Java 17 or newer (Debian: openjdk-17-jre-headless)')
  await need('mvn', ['-v'], 'Maven (Debian: maven)')
  process.stderr.write('setup: fetching Kafka for the tests from Maven Central (once)…\n')
  // Beside its place first: what is in its place is whole.
  const fresh = `${HOME}.${process.pid}`
  rmSync(fresh, { recursive: true, force: true })
  mkdirSync(fresh, { recursive: true })
  copyFileSync(POM, join(fresh, 'pom.xml'))
  const run = await finished('mvn', [
    '-B',
    '-q',
    '-f',
    join(fresh, 'pom.xml'),
    'dependency:copy-dependencies',
    '-DincludeScope=runtime',
    `-DoutputDirectory=${join(fresh, 'lib')}`,
  ])
  if (run.code !== 0) throw new Error(`Maven could not fetch Kafka (exit code ${run.code}):\n${run.output}`)
  writeFileSync(join(fresh, 'stamp'), stamp)
  rmSync(HOME, { recursive: true, force: true })
  renameSync(fresh, HOME)
}

/** Throws, naming what to install, where a program that the live tests need is missing. */
async function need(command: string, args: string[], what: string): Promise<void> {
  const run = await finished(command, args).catch(() => undefined)
  if (run?.code !== 0) throw new Error(`the live tests need ${what}: "${command} ${args.join(' ')}" does not run`)
}

async function finished(command: string, args: string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: PROVISION_LIMIT_MS })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', bytes => (output += bytes))
    child.on('error', reject)
    child.on('close', code => resolve({ code, output }))
  })
}

/** Holds a lock file while `work` runs; a lock whose process is gone is taken over. */
async function withLock(work: () => Promise<void>): Promise<void> {
  mkdirSync(CACHE, { recursive: true })
  const giveUpAt = performance.now() + PROVISION_LIMIT_MS
  while (!takeLock()) {
    if (performance.now() > giveUpAt) throw new Error(`another process holds ${LOCK} for too long: end it, or delete the file`)
    await sleep(LOCK_POLL_MS)
  }
  try {
    await work()
  } finally {
    rmSync(LOCK, { force: true })
  }
}

function takeLock(): boolean {
  try {
    writeFileSync(LOCK, String(process.pid), { flag: 'wx' })
    return true
  } catch {
    const holder = existsSync(LOCK) ? Number(readFileSync(LOCK, 'utf8')) : 0
    if (holder > 0 && !isAlive(holder)) rmSync(LOCK, { force: true })
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
