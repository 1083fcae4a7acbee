import type { ChildProcess } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { endNow, type JavaProcesses } from './java.ts'

/** A restart after kill -9 was seen to take 16 s on a busy machine; four times that is a start that hangs. */
const START_LIMIT_MS = 90_000
const STOP_LIMIT_MS = 20_000
const POLL_MS = 50
const READY = 'Kafka Server started'

export interface BrokerSetup {
  readonly node: number
  readonly dir: string
  readonly classPath: string
  readonly heapMb: number
  readonly properties: Record<string, string | number>
}

/** One broker process (KRaft, broker and controller in one) with its own data directory, which outlives the process. */
export class BrokerProcess {
  readonly #setup: BrokerSetup
  readonly #java: JavaProcesses
  #child: ChildProcess | undefined
  #starts = 0

  constructor(setup: BrokerSetup, java: JavaProcesses) {
    this.#setup = setup
    this.#java = java
    mkdirSync(setup.dir, { recursive: true })
    const lines = Object.entries({ ...setup.properties, 'log.dirs': join(setup.dir, 'data') }).map(
      ([key, value]) => `${key}=${value}`,
    )
    writeFileSync(this.propertiesFile, `${lines.join('\n')}\n`)
  }

  get propertiesFile(): string {
    return join(this.#setup.dir, 'server.properties')
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** The log of the latest start; each start has its own file, since an old "started" would lie. */
  get log(): string {
    return readFileSync(this.#logFile(), 'utf8')
  }

  /** Resolves when the broker takes requests. */
  async start(): Promise<void> {
    this.#starts += 1
    const log = openSync(this.#logFile(), 'w')
    const { classPath, heapMb, dir } = this.#setup
    const flags = [`-Xmx${heapMb}m`, '-XX:+UseSerialGC', '-Dorg.slf4j.simpleLogger.showDateTime=true', '-cp', classPath]
    const child = this.#java.spawn([...flags, 'kafka.Kafka', this.propertiesFile], { cwd: dir, stdio: ['ignore', log, log] })
    this.#child = child
    closeSync(log)
    const giveUpAt = performance.now() + START_LIMIT_MS
    while (!this.log.includes(READY)) {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`broker ${this.#setup.node} ended at its start:\n${this.#tail()}`)
      if (performance.now() > giveUpAt)
        throw new Error(`broker ${this.#setup.node} did not start in ${START_LIMIT_MS} ms:\n${this.#tail()}`)
      await sleep(POLL_MS)
    }
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill9(): Promise<void> {
    if (this.#child) await endNow(this.#child)
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.#child?.kill(signal)) throw new Error(`broker ${this.#setup.node} is not running`)
  }

  /** SIGTERM, so that the broker hands over its partitions; SIGKILL where that takes too long. */
  async stop(): Promise<void> {
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGCONT')
    child.kill('SIGTERM')
    const gone = new Promise<void>(resolve => child.once('exit', () => resolve()))
    await Promise.race([gone, sleep(STOP_LIMIT_MS, undefined, { ref: false })])
    await endNow(child)
  }

  #logFile(): string {
    return join(this.#setup.dir, `start-${this.#starts}.log`)
  }

  #tail(): string {
    return this.log.split('\n').slice(-30).join('\n')
  }
}
