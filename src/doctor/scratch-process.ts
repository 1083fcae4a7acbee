import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'

/** A process of this program's own that is there to be killed. What it says goes to a file. */
export class ScratchProcess {
  readonly name: string
  readonly #args: readonly string[]
  readonly #logPath: string
  #child: ChildProcess | undefined
  readonly #endNow = () => this.#child?.kill('SIGKILL')

  /** `args`: the program and its arguments, as Node takes them. */
  constructor(name: string, args: readonly string[], logPath: string) {
    this.name = name
    this.#args = args
    this.#logPath = logPath
    process.once('exit', this.#endNow)
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  start(): void {
    const log = openSync(this.#logPath, 'a')
    this.#child = spawn(process.execPath, this.#args, { stdio: ['ignore', log, log] })
    closeSync(log)
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill(): Promise<void> {
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise<void>(resolve => child.once('exit', () => resolve()))
    child.kill('SIGKILL')
    await gone
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(signal)
  }

  async end(): Promise<void> {
    await this.kill()
    process.removeListener('exit', this.#endNow)
  }
}

/** A way to a port of this machine that can be cut. */
export class ScratchLink {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly port: number

  private constructor(server: Server, port: number) {
    this.#server = server
    this.port = port
  }

  static async open(target: number): Promise<ScratchLink> {
    const server = createServer()
    const port = await listenAnywhere(server)
    const link = new ScratchLink(server, port)
    server.on('connection', near => {
      const far = connect(target, '127.0.0.1')
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        link.#sockets.add(socket)
        socket.on('error', () => {})
        socket.once('close', () => {
          link.#sockets.delete(socket)
          other.destroy()
        })
        socket.pipe(other)
      }
    })
    return link
  }

  /** In the middle of whatever it carries. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async close(): Promise<void> {
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()))
    this.cut()
    await closed
  }
}

/** A port of this machine that nobody listens on now. */
export async function unusedPort(): Promise<number> {
  const server = createServer()
  const port = await listenAnywhere(server)
  await new Promise<void>(resolve => server.close(() => resolve()))
  return port
}

function listenAnywhere(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      resolve(typeof address === 'object' && address ? address.port : 0)
    })
  })
}
