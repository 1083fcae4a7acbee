import { connect, createServer, type Server, type Socket } from 'node:net'
import { freePort } from '../../../hardware/simulators/free-port.ts'

/** What is done to the bytes on their way, either way. */
export type Harm =
  | { readonly kind: 'none' }
  /** Each byte travels alone, at most so many in a millisecond. */
  | { readonly kind: 'bytewise'; readonly perMs: number }
  /** A connection ends after so many bytes of one direction, wherever that is. */
  | { readonly kind: 'cut'; readonly afterBytes: number }
  /** Everything comes later. */
  | { readonly kind: 'delay'; readonly byMs: number }
  /** Some pieces come much later than others, as on a line that loses packets and repeats them. Order is kept: it is TCP. */
  | { readonly kind: 'loss'; readonly everyNth: number; readonly repeatedAfterMs: number }
  /** Nothing comes any more, and nobody is told. */
  | { readonly kind: 'silence' }

/** A line between two parts of an installation that is not good. */
export class HurtfulProxy {
  readonly port: number
  readonly #server: Server
  readonly #target: number
  readonly #sockets = new Set<Socket>()
  #harm: Harm = { kind: 'none' }
  #cuts = 0

  private constructor(server: Server, port: number, target: number) {
    this.#server = server
    this.port = port
    this.#target = target
    server.on('connection', socket => this.#carry(socket))
  }

  static async open(target: number): Promise<HurtfulProxy> {
    const server = createServer()
    const port = await freePort()
    await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
    return new HurtfulProxy(server, port, target)
  }

  /** Connections that were cut in the middle so far. */
  get cuts(): number {
    return this.#cuts
  }

  /** From now on, also on connections that stand. */
  set harm(harm: Harm) {
    this.#harm = harm
  }

  /** Ends what stands, so that connections are made anew. */
  cutAll(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async close(): Promise<void> {
    this.cutAll()
    await new Promise(resolve => this.#server.close(resolve))
  }

  #carry(near: Socket): void {
    const far = connect(this.#target, '127.0.0.1')
    for (const socket of [near, far]) {
      this.#sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => {})
      socket.on('close', () => {
        near.destroy()
        far.destroy()
        this.#sockets.delete(socket)
      })
    }
    void this.#pump(near, far)
    void this.#pump(far, near)
  }

  async #pump(from: Socket, to: Socket): Promise<void> {
    let carried = 0
    let pieces = 0
    try {
      for await (const chunk of from as AsyncIterable<Buffer>) {
        const harm = this.#harm
        pieces += 1
        switch (harm.kind) {
          case 'silence':
            continue
          case 'cut':
            if (carried + chunk.length > harm.afterBytes) {
              await write(to, chunk.subarray(0, Math.max(0, harm.afterBytes - carried)))
              this.#cuts += 1
              to.destroy()
              return
            }
            break
          case 'delay':
            await later(harm.byMs)
            break
          case 'loss':
            if (pieces % harm.everyNth === 0) await later(harm.repeatedAfterMs)
            break
          case 'bytewise':
            for (let at = 0; at < chunk.length; at++) {
              await write(to, chunk.subarray(at, at + 1))
              if (at % harm.perMs === 0) await later(1)
            }
            continue
        }
        carried += chunk.length
        await write(to, chunk)
      }
    } catch {
      // The one end is gone; so is the other.
    }
    to.destroy()
  }
}

function write(socket: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    if (socket.destroyed) reject(new Error('gone'))
    else socket.write(bytes, error => (error ? reject(error) : resolve()))
  })
}

function later(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
