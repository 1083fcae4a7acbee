import { connect, createServer, type Server, type Socket } from 'node:net'

const PRODUCE = 0
/** Length, api key, api version, correlation id: what a Kafka request begins with. */
const REQUEST_HEAD_BYTES = 12
/** Length and correlation id: what an answer begins with. */
const ANSWER_HEAD_BYTES = 8

/** Stands before one broker and can lose its answers to Produce after the broker has stored what was sent. */
export class KafkaProxy {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #target = 0
  #toLose = 0
  #how: 'cut' | 'silent' = 'cut'
  #lost = 0

  private constructor(server: Server) {
    this.#server = server
    server.on('connection', socket => this.#carry(socket))
  }

  static async open(port: number): Promise<KafkaProxy> {
    const server = createServer()
    await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
    return new KafkaProxy(server)
  }

  leadsTo(port: number): void {
    this.#target = port
  }

  /** Answers to Produce that were lost so far. */
  get lost(): number {
    return this.#lost
  }

  /** The next answers to Produce are lost: the connection is cut, or it goes on and never says anything again. */
  loseAnswers(count: number, how: 'cut' | 'silent'): void {
    this.#toLose = count
    this.#how = how
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise(resolve => this.#server.close(resolve))
  }

  #carry(near: Socket): void {
    const far = connect(this.#target, '127.0.0.1')
    const produces = new Set<number>()
    let silent = false
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
    near.on(
      'data',
      frames(REQUEST_HEAD_BYTES, frame => {
        if (frame.readInt16BE(4) === PRODUCE) produces.add(frame.readInt32BE(8))
        far.write(frame)
      }),
    )
    far.on(
      'data',
      frames(ANSWER_HEAD_BYTES, frame => {
        const isProduce = produces.delete(frame.readInt32BE(4))
        if (isProduce && this.#toLose > 0) {
          this.#toLose -= 1
          this.#lost += 1
          if (this.#how === 'silent') silent = true
          else near.destroy()
        }
        if (!silent && !near.destroyed) near.write(frame)
      }),
    )
  }
}

/** Calls with each whole frame: a length of four bytes, and so many bytes. */
function frames(headBytes: number, call: (frame: Buffer) => void): (bytes: Buffer) => void {
  let held: Buffer = Buffer.alloc(0)
  return bytes => {
    held = held.length === 0 ? bytes : Buffer.concat([held, bytes])
    while (held.length >= headBytes && held.length >= held.readInt32BE(0) + 4) {
      const length = held.readInt32BE(0) + 4
      call(held.subarray(0, length))
      held = held.subarray(length)
    }
  }
}
