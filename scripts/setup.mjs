/**
 * Brings a fresh clone to the point where it can run: dependencies as locked, and the project's own Node.
 * Runs on whatever Node the machine has (20 or newer) and needs nothing installed; does nothing when there is nothing to do.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { oneAtATime } from './one-at-a-time.mjs'

export const ROOT = fileURLToPath(new URL('..', import.meta.url))
export const NODE = `${ROOT}node_modules/node/bin/node`
const STAMP = `${ROOT}node_modules/.headrace-setup`
/** Beside `node_modules`, which an installation empties. */
const LOCK = `${ROOT}.setup.lock`

/**
 * The machine's own Node does the set-up: npm puts the project's one first in PATH, and `npm ci` takes that away while it works.
 */
const MACHINE_PATH = (process.env.PATH ?? '')
  .split(delimiter)
  .filter(folder => resolve(folder) !== resolve(ROOT, 'node_modules/.bin'))
  .join(delimiter)

function run(command, args, cwd = ROOT) {
  const env = { ...process.env, PATH: MACHINE_PATH }
  const { status, error } = spawnSync(command, args, { cwd, env, stdio: ['ignore', 2, 2] })
  if (error || status !== 0) {
    process.stderr.write(
      `setup: "${command} ${args.join(' ')}" failed${error ? `: ${error.message}` : ` with exit code ${status}`}\n`,
    )
    process.exit(1)
  }
}

/** What is installed follows from the lock alone: a new script in package.json is no reason to install all of it again. */
function wanted() {
  return createHash('sha256')
    .update(process.arch)
    .update(readFileSync(`${ROOT}package-lock.json`))
    .digest('hex')
}

export function setup() {
  const [major = 0] = process.versions.node.split('.').map(Number)
  if (major < 20) {
    process.stderr.write(`setup: Node ${process.versions.node} is too old to install with; bring Node 20 or newer\n`)
    process.exit(1)
  }
  if (isSetUp()) return
  // Two at once would undo each other: the second waits, and finds it done.
  oneAtATime(LOCK, () => {
    if (!isSetUp()) install()
  })
}

function isSetUp() {
  return existsSync(NODE) && existsSync(STAMP) && readFileSync(STAMP, 'utf8') === wanted()
}

function install() {
  process.stderr.write('setup: installing dependencies and the project’s own Node (once)…\n')
  // Every native module ships its prebuilds, so no install script has to run: only the one that brings Node itself.
  const omit = process.env.HEADRACE_OMIT ? [`--omit=${process.env.HEADRACE_OMIT}`] : []
  run('npm', ['ci', '--ignore-scripts', '--loglevel=error', ...omit])
  run('node', ['installArchSpecificPackage.js'], `${ROOT}node_modules/node`)
  run('npm', ['rebuild', '--ignore-scripts', '--loglevel=error', 'node'])
  writeFileSync(STAMP, wanted())
}

if (process.argv[1] === fileURLToPath(import.meta.url)) setup()
