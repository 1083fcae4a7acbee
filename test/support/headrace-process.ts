import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { EDGE_ENV, EDGE_FLAGS } from '../../scripts/edge-process.mjs'
import { endNow } from './kafka/java.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const STATUS_LIMIT_MS = 10_000

export interface HeadraceProcessOptions {
  readonly name: string
  readonly args: readonly string[]
  readonly logPath: string
  /** What the process is started through, such as `ip netns exec NAME`; it has to become the process. */
  readonly prefix?: readonly string[]
  readonly nodeArgs?: readonly string[]
  /** Another program than `headrace`, with the same arguments behind some of its own. */
  readonly entry?: string
  readonly argsBefore?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** A real `headrace` process that a test starts, freezes, kills and starts again. What it logs goes to a file that outlives it. */
export class HeadraceProcess {
  readonly name: string
  readonly #args: readonly string[]
  readonly #logPath: string
  readonly #how: HeadraceProcessOptions
  #child: ChildProcess | undefined
  readonly #endNow = () => this.#child?.kill('SIGKILL')

  constructor(options: HeadraceProcessOptions) {
    this.#how = options
    this.name = options.name
    this.#args = options.args
    this.#logPath = options.logPath
    process.once('exit', this.#endNow)
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  get logPath(): string {
    return this.#logPath
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  start(): void {
    const log = createWriteStream(this.#logPath, { flags: 'a' })
    const { prefix = [], nodeArgs = [], entry = MAIN, argsBefore = [], env } = this.#how
    // As it is installed: what it takes of memory and processor is measured on it.
    const isEdge = this.#args[0] === 'edge'
    const flags = [...(isEdge ? EDGE_FLAGS : []), ...nodeArgs]
    const [program = process.execPath, ...rest] = [...prefix, process.execPath, ...flags, entry, ...argsBefore, ...this.#args]
    const child = spawn(program, rest, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...(isEdge && EDGE_ENV), ...process.env, ...env },
    })
    child.stdout.pipe(log, { end: false })
    child.stderr.pipe(log, { end: false })
    child.once('exit', () => log.end())
    this.#child = child
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill9(): Promise<void> {
    if (this.#child) await endNow(this.#child)
  }

  freeze(): void {
    this.#child?.kill('SIGSTOP')
  }

  wake(): void {
    this.#child?.kill('SIGCONT')
  }

  /** SIGTERM; resolves with the exit code. A process that does not end within the limit is killed, and the code is null. */
  async stop(limitMs = 15_000): Promise<number | null> {
    const child = this.#child
    if (!child || !this.running) return child?.exitCode ?? null
    const ended = new Promise<number | null>(resolve => child.once('exit', code => resolve(code)))
    child.kill('SIGTERM')
    const limit = setTimeout(() => child.kill('SIGKILL'), limitMs)
    const code = await ended
    clearTimeout(limit)
    return code
  }

  /** Kills it and forgets it. */
  async end(): Promise<void> {
    await this.kill9()
    process.removeListener('exit', this.#endNow)
  }
}

export interface CommandRun {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a `headrace` command to its end. */
export function headrace(
  args: readonly string[],
  options: { limitMs?: number; cwd?: string; input?: string } = {},
): Promise<CommandRun> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['pipe', 'pipe', 'pipe'], cwd: options.cwd })
    const limit = setTimeout(() => child.kill('SIGKILL'), options.limitMs ?? 30_000)
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', chunk => (stdout += chunk))
    child.stderr.on('data', chunk => (stderr += chunk))
    child.stdin.on('error', () => {})
    child.stdin.end(options.input ?? '')
    child.on('error', reject)
    child.on('close', code => {
      clearTimeout(limit)
      resolve({ code, stdout, stderr })
    })
  })
}

/** What `headrace status --json` says; undefined while the process cannot be asked. */
export async function statusOf<Status>(args: readonly string[]): Promise<Status | undefined> {
  const { code, stdout } = await headrace(['status', '--json', ...args], { limitMs: STATUS_LIMIT_MS })
  if (code !== 0) return undefined
  try {
    return JSON.parse(stdout) as Status
  } catch {
    return undefined
  }
}
