import { spawn } from 'node:child_process'

/** systemd's own program for sd_notify(3): wherever a service manager listens, it is there. */
const HELPER = 'systemd-notify'
/** How long one notification may take, ms; the next one says the same again. */
const HELPER_LIMIT_MS = 10_000

/**
 * The service manager that started this process, told how it is. The protocol is a datagram to a socket of the Unix kind (sd_notify(3)), which Node
 * cannot send: systemd's helper does it. A unit needs `NotifyAccess=all`, because the helper is another process.
 */
export class ServiceManager {
  readonly #socket: string
  /** Within so long it wants a sign of life, ms; absent where it watches nothing. */
  readonly watchdogMs: number | undefined

  private constructor(socket: string, watchdogMs: number | undefined) {
    this.#socket = socket
    this.watchdogMs = watchdogMs
  }

  /**
   * What `env` says of it; undefined where there is none. Takes the words out of `env`: a command that a source or a job starts is not to speak for
   * this process.
   */
  static take(env: NodeJS.ProcessEnv, pid: number): ServiceManager | undefined {
    const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: microseconds, WATCHDOG_PID: watched } = env
    for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name]
    if (!socket) return undefined
    const isWatched = microseconds !== undefined && (watched === undefined || Number(watched) === pid)
    return new ServiceManager(socket, isWatched ? Number(microseconds) / 1_000 : undefined)
  }

  /** Sends assignments such as `READY=1`. Resolves when they are handed over; rejects where they cannot be, within a limit. */
  notify(...assignments: readonly string[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const child = spawn(HELPER, [...assignments], {
        env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', NOTIFY_SOCKET: this.#socket },
        stdio: 'ignore',
        timeout: HELPER_LIMIT_MS,
        killSignal: 'SIGKILL',
      })
      child.on('error', reject)
      child.on('exit', (code, signal) => {
        if (code === 0) resolve()
        else reject(new Error(`${HELPER} ended with ${signal ?? `exit code ${code}`}`))
      })
    })
  }
}
