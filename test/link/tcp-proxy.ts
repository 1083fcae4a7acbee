import { connect, createServer, type Server, type Socket } from 'node:net'
import { freePort } from '../../hardware/simulators/free-port.ts'

/** Carries TCP connections to another port of this machine, and cuts them when the test wants. */
export class TcpProxy {
  readonly #server: Server
  readonly #pairs = new Set<readonly [Socket, Socket]>()
  #target: number

  private constructor(server: Server, target: number) {
    this.#server = server
    this.#target = target
    server.on('connection', socket => this.#carry(socket))
  }

  static async open(target: number): Promise<TcpProxy> {
    const server = createServer()
    const port = await freePort()
    await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
    return new TcpProxy(server, target)
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address ? address.port : 0
  }

  /** Connections from now on go there. */
  redirect(target: number): void {
    this.#target = target
  }

  /** Cuts every connection in the middle of whatever it carries. */
  cut(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy()
  }

  /** Carries nothing, but lets nobody know. */
  hold(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.pause()
  }

  async close(): Promise<void> {
    this.cut()
    await new Promise(resolve => this.#server.close(resolve))
  }

  #carry(near: Socket): void {
    const far = connect(this.#target, '127.0.0.1')
    const pair = [near, far] as const
    this.#pairs.add(pair)
    for (const socket of pair) {
      socket.setNoDelay(true)
      socket.on('error', () => {})
      socket.on('close', () => {
        near.destroy()
        far.destroy()
        this.#pairs.delete(pair)
      })
    }
    near.pipe(far)
    far.pipe(near)
  }
}
