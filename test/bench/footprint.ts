/**
 * What a gateway's agent takes of a small machine: resident memory idle and at 5,000 records/s, and the time from its start to the first record on
 * disk; beside a bare Node with one worker and SQLite, which is what anything of this kind takes at the least. With a core its memory grows for as long as
 * the window of settled batches does: `--core-minutes` looks at that minute by minute.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { readArguments, wholeNumber } from '../../scripts/arguments.ts'
import { EDGE_ENV, EDGE_FLAGS } from '../../scripts/edge-process.mjs'
import type { EdgeStatus } from '../../src/cli/edge-status.ts'
import { controlPath } from '../../src/cli/state-paths.ts'
import { control } from '../../src/console/control-client.ts'
import { pause, systemClock } from '../../src/runtime/clock.ts'
import { until } from '../support/until.ts'
import { rssMib } from './process-figures.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const SETTLE_MS = 10_000
const LOOK_EVERY_MS = 5
const SOURCES = 10
const BUSY_RECORDS_PER_SECOND = 5_000

const values = readArguments<{ program: string; nodeArgs: string; rounds: number; coreMinutes: number }>(
  new Command('npm run bench:footprint --')
    .description('What a gateway’s agent takes of a small machine.')
    .option('--program <file>', 'what is started: a script, or what starts itself, as a bundle’s bin/headrace', MAIN)
    .option('--node-args <text>', 'flags of Node for a script, as in --node-args=--max-semi-space-size=1', '')
    .option('--rounds <count>', 'start-ups of which the median counts', wholeNumber(1), 5)
    .option('--core-minutes <count>', 'how long it is looked at beside a core, which settles what it reads', wholeNumber(0), 0),
)
const { program } = values
const nodeArgs = values.nodeArgs.split(' ').filter(arg => arg !== '')
const folder = mkdtempSync(join(tmpdir(), 'headrace-footprint-'))
const running = new Set<ChildProcess>()

/** A script under this Node, a gateway as an installed one is; or a program that brings its own. */
function start(file: string, args: readonly string[] = []): ChildProcess {
  const isScript = /\.m?[jt]s$/.test(file)
  const isEdge = args[0] === 'edge'
  const flags = [...(isEdge ? EDGE_FLAGS : []), ...nodeArgs]
  const env = { ...(isEdge && EDGE_ENV), ...process.env }
  const child = isScript
    ? spawn(process.execPath, [...flags, file, ...args], { stdio: 'ignore', env })
    : spawn(file, args, { stdio: 'ignore' })
  running.add(child)
  return child
}

async function end(child: ChildProcess): Promise<void> {
  running.delete(child)
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

/** `uplink`: nobody listens there, unless it is given: nothing but the gateway's own work is measured. */
function edge(name: string, recordsPerSecond: number, uplink = 'amqp://127.0.0.1:1'): { state: string; begin(): ChildProcess } {
  const home = join(folder, name)
  const state = join(home, 'state')
  mkdirSync(home)
  const sources = Array.from(
    { length: SOURCES },
    (_, at) => `  source-${at}: { generator: { records_per_second: ${recordsPerSecond / SOURCES} } }\n`,
  )
  writeFileSync(join(home, 'p.yaml'), `pipeline: p\nsources:\n${sources.join('')}`)
  writeFileSync(join(home, 'edge.yaml'), `gateway: g\nstate: ${state}\nuplink: { url: "${uplink}" }\npipelines: [p.yaml]\n`)
  return { state, begin: () => start(program, ['edge', '--config', join(home, 'edge.yaml')]) }
}

async function rssOf(child: ChildProcess): Promise<number> {
  await pause(systemClock, SETTLE_MS)
  const mib = rssMib(child.pid ?? 0)
  await end(child)
  return mib
}

/** Memory of a busy gateway minute by minute, MiB, while a core settles what it reads. */
async function rssBesideCore(minutes: number): Promise<number[]> {
  if (minutes === 0) return []
  const port = await freePort()
  const address = `amqp://127.0.0.1:${port}`
  const { begin } = edge('settled', BUSY_RECORDS_PER_SECOND, address)
  const config = join(folder, 'settled', 'core.yaml')
  writeFileSync(
    config,
    `state: ${join(folder, 'core')}\nlog: { sqlite: {} }\ningress: { listen: "${address}" }\npipelines: [p.yaml]\n`,
  )
  const core = start(program, ['core', '--config', config])
  const child = begin()
  const mib: number[] = []
  for (let minute = 0; minute < minutes; minute++) {
    await pause(systemClock, 60_000)
    mib.push(rssMib(child.pid ?? 0))
  }
  await end(child)
  await end(core)
  return mib
}

/** From the start of the process until a record is on disk, ms. */
async function firstRecordMs(): Promise<number> {
  const { state, begin } = edge(`start-${performance.now()}`, 1_000)
  const from = performance.now()
  const child = begin()
  const socket = controlPath(state, 'edge')
  for (;;) {
    const status = await control<EdgeStatus>(socket, 'status').catch(() => undefined)
    if (status?.sources.some(({ buffered }) => buffered.records > 0)) break
    await pause(systemClock, LOOK_EVERY_MS)
  }
  const ms = performance.now() - from
  await end(child)
  return ms
}

try {
  const bare = start(bareProgram())
  await until('the bare process is there', () => bare.pid)
  const bareMib = await rssOf(bare)
  const idleMib = await rssOf(edge('idle', 0.1 * SOURCES).begin())
  const busyMib = await rssOf(edge('busy', BUSY_RECORDS_PER_SECOND).begin())
  const besideCoreMib = await rssBesideCore(values.coreMinutes)
  const starts: number[] = []
  for (let round = 0; round < values.rounds; round++) starts.push(await firstRecordMs())
  const middle = starts.toSorted((a, b) => a - b)[Math.floor(starts.length / 2)] ?? Number.NaN
  const line = (what: string, figure: string) => process.stdout.write(`${what.padEnd(48)} ${figure}\n`)
  line('bare Node, a worker and SQLite', `${bareMib} MiB`)
  line('edge, idle', `${idleMib} MiB, ${(idleMib / bareMib).toFixed(2)} times bare`)
  line(`edge, ${BUSY_RECORDS_PER_SECOND} records/s, no core`, `${busyMib} MiB, ${(busyMib / bareMib).toFixed(2)} times bare`)
  if (besideCoreMib.length > 0)
    line(`edge, ${BUSY_RECORDS_PER_SECOND} records/s, a core`, `${besideCoreMib.join(', ')} MiB, minute by minute`)
  line('from start to the first record on disk', `${Math.round(middle)} ms (median of ${starts.length})`)
} finally {
  for (const child of running) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
}

function bareProgram(): string {
  const sqlite = import.meta.resolve('better-sqlite3')
  const work = `import Database from '${sqlite}'
const db = new Database('${join(folder, 'bare.db')}')
db.pragma('journal_mode = WAL')
db.exec('CREATE TABLE t (a)')
setInterval(() => db.exec('INSERT INTO t VALUES (1)'), 1000)`
  writeFileSync(join(folder, 'bare.mjs'), work)
  writeFileSync(
    join(folder, 'main.mjs'),
    `import { Worker } from 'node:worker_threads'\nnew Worker('${join(folder, 'bare.mjs')}')`,
  )
  return join(folder, 'main.mjs')
}
