import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { HeadraceError } from '../../runtime/errors.ts'
import { signalGroup } from '../../runtime/process-group.ts'
import { whyNotStarted } from '../../runtime/why-not-started.ts'
import type { RunLog } from './run-log.ts'

/** Between SIGTERM and SIGKILL, ms. */
const GRACE_MS = 5_000
/** Between SIGKILL and the moment from which nothing more is waited for: what has left the group may hold the output open for ever, ms. */
const LAST_WAIT_MS = 1_000

export interface CommandOptions {
  readonly run: readonly string[]
  readonly cwd: string | undefined
  readonly environment: Readonly<Record<string, string>>
  readonly timeLimitMs: number
  readonly signal: AbortSignal
  /** Keeps what it says. */
  readonly log: RunLog
  /** File that keeps its standard output instead of the log. */
  readonly stdout?: string
}

/** A job's command while it runs: records go to `stdin`; {@link ended} says how it went. */
export class Command {
  readonly #child: ChildProcess
  readonly ended: Promise<{ exitCode: number | null; error: string | undefined }>

  constructor(options: CommandOptions) {
    const [file = '', ...args] = options.run
    const { log } = options
    let why: string | undefined
    const stdout = options.stdout === undefined ? undefined : openSync(options.stdout, 'w', 0o640)
    this.#child = spawn(file, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.environment },
      stdio: ['pipe', stdout ?? 'pipe', 'pipe'],
      // A group of its own, so that what the command started ends with it.
      detached: true,
    })
    if (stdout !== undefined) closeSync(stdout)
    this.#child.stdout?.on('data', (chunk: Buffer) => log.output(chunk))
    this.#child.stderr?.on('data', (chunk: Buffer) => log.errorOutput(chunk))
    let exited: number | null = null
    this.#child.once('exit', exitCode => {
      exited = exitCode
    })
    const limit = setTimeout(() => {
      const limitText = `time limit of ${options.timeLimitMs / 1000} s`
      why =
        exited === null
          ? `it ran longer than its ${limitText}`
          : `it ended with exit code ${exited}, but what it started held its output open until the ${limitText}`
      this.#end()
    }, options.timeLimitMs)
    const interrupt = () => {
      why = 'it was interrupted: Headrace is stopping'
      this.#end()
    }
    if (options.signal.aborted) interrupt()
    options.signal.addEventListener('abort', interrupt, { once: true })
    this.ended = new Promise(resolve => {
      const settle = (exitCode: number | null, error: string | undefined) => {
        clearTimeout(limit)
        options.signal.removeEventListener('abort', interrupt)
        resolve({ exitCode, error })
      }
      this.#child.on('error', cause => settle(null, `it could not be started: ${whyNotStarted(file, options.cwd ?? '.', cause)}`))
      this.#child.on('close', (exitCode, killedBy) => {
        if (exitCode === 0 && why === undefined) return settle(0, undefined)
        const last = log.takeLastWords()
        const how = why ?? (killedBy ? `it was ended by ${killedBy}` : `it ended with exit code ${exitCode}`)
        settle(exitCode, last ? `${how}; its last words: ${last}` : how)
      })
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get stdin(): NonNullable<ChildProcess['stdin']> {
    const { stdin } = this.#child
    if (!stdin) throw new HeadraceError('internal', 'the command has no standard input')
    return stdin
  }

  /** Ends the command and what it started: politely, then not. */
  abort(): void {
    this.#end()
  }

  #end(): void {
    const { pid } = this.#child
    if (pid === undefined) return
    signalGroup(pid, 'SIGTERM')
    // Also when the command itself has ended by then: what it started may not want to.
    setTimeout(() => {
      signalGroup(pid, 'SIGKILL')
      setTimeout(() => this.#letGo(), LAST_WAIT_MS)
    }, GRACE_MS)
  }

  /** The command counts as ended when it has and its streams are closed. */
  #letGo(): void {
    const { stdin, stdout, stderr } = this.#child
    for (const stream of [stdin, stdout, stderr]) stream?.destroy()
  }
}
