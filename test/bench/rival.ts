import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants, createWriteStream } from 'node:fs'
import { connect } from 'node:net'
import { delimiter, join } from 'node:path'
import { openKafkaLog } from '../../src/log/kafka/kafka-log.ts'
import { pause, systemClock } from '../../src/runtime/clock.ts'
import { HeadraceError } from '../../src/runtime/errors.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import type { KafkaCluster } from '../support/kafka/cluster.ts'
import { until } from '../support/until.ts'

const LIMIT_MS = 180_000
const LOOK_EVERY_MS = 50
const END_LIMIT_MS = 10_000

/** Where a program is, in PATH and in the places that a user's PATH leaves out. */
export function findProgram(name: string, ...further: readonly string[]): string | undefined {
  const folders = [...further, ...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/bin']
  return folders.map(folder => join(folder, name)).find(path => isExecutable(path))
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Another program in a process of its own, ended with {@link Rival.end}. */
export class Rival {
  readonly #child: ChildProcess

  constructor(program: string, args: readonly string[], logPath: string) {
    this.#child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    const log = createWriteStream(logPath)
    this.#child.stdout?.pipe(log, { end: false })
    this.#child.stderr?.pipe(log, { end: false })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = new Promise<void>(resolve => this.#child.once('exit', () => resolve()))
    this.#child.kill('SIGTERM')
    const limit = setTimeout(() => this.#child.kill('SIGKILL'), END_LIMIT_MS)
    await ended
    clearTimeout(limit)
  }
}

/** Sends lines over TCP, as fast as they are taken. Resolves when the last is handed over. */
export async function sendLines(port: number, lines: readonly string[], count: number): Promise<void> {
  const socket = await until('the port is open', () => open(port), LIMIT_MS)
  socket.on('error', () => {})
  const LINES_AT_ONCE = 500
  for (let sent = 0; sent < count; sent += LINES_AT_ONCE) {
    let text = ''
    for (let at = sent; at < Math.min(count, sent + LINES_AT_ONCE); at++) text += `${lines[at % lines.length]}\n`
    if (!socket.write(text)) await new Promise<void>(resolve => socket.once('drain', () => resolve()))
  }
  await new Promise<void>(resolve => socket.end(() => resolve()))
}

function open(port: number): Promise<ReturnType<typeof connect> | undefined> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(socket))
    socket.once('error', () => resolve(undefined))
  })
}

/** Resolves with how long it took, ms, until so many records lie in a topic's partitions. */
export async function untilStored(kafka: KafkaCluster, topic: string, partitions: number, records: number): Promise<number> {
  // A broker that has just started has no leader yet for what opening a log makes.
  const log = await until('the log opens', () => openLog(kafka).catch(unlessUnavailable), LIMIT_MS)
  const places = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
  const fromMs = performance.now()
  try {
    for (;;) {
      const ends = await log.ends(places)
      const stored = [...ends.values()].reduce((sum, { next }) => sum + next, 0)
      if (stored >= records) return performance.now() - fromMs
      if (performance.now() - fromMs > LIMIT_MS)
        throw new Error(`only ${stored} of ${records} records came within ${LIMIT_MS} ms`)
      await pause(systemClock, LOOK_EVERY_MS)
    }
  } finally {
    await log.close()
  }
}

function openLog(kafka: KafkaCluster) {
  return openKafkaLog({ brokers: kafka.addresses, client_id: 'bench' }, { clock: systemClock, log: silentLogger })
}

function unlessUnavailable(error: unknown): undefined {
  if (!(error instanceof HeadraceError) || error.code !== 'log_unavailable') throw error
}
