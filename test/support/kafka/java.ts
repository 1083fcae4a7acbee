import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process'

/**
 * Java processes of the tests, each ended with the process that started it: by an `exit` handler, and where the system can (Linux), by
 * the kernel, which also holds when a test run is killed.
 */
export class JavaProcesses {
  readonly #running = new Set<ChildProcess>()
  readonly #endAll = () => {
    for (const child of this.#running) child.kill('SIGKILL')
  }

  constructor() {
    process.once('exit', this.#endAll)
  }

  spawn(args: readonly string[], options: SpawnOptions): ChildProcess {
    const command = diesWithParent() ? ['setpriv', '--pdeathsig', 'KILL', 'java'] : ['java']
    const [program = 'java', ...rest] = [...command, ...args]
    const child = spawn(program, rest, options)
    this.#running.add(child)
    child.once('exit', () => this.#running.delete(child))
    child.once('error', () => this.#running.delete(child))
    return child
  }

  /** Ends what still runs, and resolves when it is gone. */
  async end(): Promise<void> {
    const running = [...this.#running]
    await Promise.all(running.map(child => endNow(child)))
    process.removeListener('exit', this.#endAll)
  }
}

/** SIGKILL, also to a stopped process; resolves when it is gone. */
export function endNow(child: ChildProcess): Promise<void> {
  return new Promise(resolve => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return resolve()
    child.once('exit', () => resolve())
    child.kill('SIGKILL')
  })
}

function diesWithParent(): boolean {
  return process.platform === 'linux' && spawnSync('setpriv', ['--version'], { stdio: 'ignore' }).status === 0
}
