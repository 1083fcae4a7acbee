import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { freePort } from '../../../hardware/simulators/free-port.ts'
import { WireReader, WireWriter } from '../../../src/log/kafka/wire.ts'

export const API_VERSIONS = 18
const METADATA = 3
/** Of the error code, for a version of ApiVersions that is not known here. */
const UNSUPPORTED_VERSION = 35

/** What is answered to a request, after its header; undefined: nothing, unless `write` is called with it later. */
export type Answer = (body: WireReader, write: (answer: WireWriter) => void) => WireWriter | undefined

/** A broker that says what a test wants. Of itself it says where it and its peers are, and who leads the one partition of topic `plant`. */
export class ScriptedBroker {
  readonly port: number
  readonly asked: number[] = []
  /** How many were made to it. */
  connections = 0
  /** It takes what comes, and answers nothing of it. */
  isFrozen = false
  /** Itself, and others, in the order in which they have their ids, from 1 on. */
  brokers: readonly ScriptedBroker[] = [this]
  /** There is no topic without it. */
  leader: { readonly id: number; readonly epoch: number } | undefined
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #answers: Readonly<Record<number, Answer>>

  private constructor(port: number, answers: Readonly<Record<number, Answer>>) {
    this.port = port
    this.#answers = answers
    this.#server = createServer(socket => this.#serve(socket))
  }

  /** `answers`: by the key of the API. */
  static async start(answers: Readonly<Record<number, Answer>>): Promise<ScriptedBroker> {
    const broker = new ScriptedBroker(await freePort(), answers)
    broker.#server.listen(broker.port, '127.0.0.1')
    await once(broker.#server, 'listening')
    return broker
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  end(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    this.connections += 1
    let read = Buffer.alloc(0)
    socket.on('error', () => {})
    socket.on('data', chunk => {
      read = Buffer.concat([read, chunk])
      while (read.length >= 4 && read.length >= 4 + read.readInt32BE(0)) {
        const end = 4 + read.readInt32BE(0)
        this.#answer(socket, new WireReader(read.subarray(4, end)))
        read = read.subarray(end)
      }
    })
  }

  #answer(socket: Socket, request: WireReader): void {
    const [key, version, correlation] = [request.int16(), request.int16(), request.int32()]
    request.string()
    this.asked.push(key)
    const own: Readonly<Record<number, Answer>> = {
      [API_VERSIONS]: () => apiVersions(version),
      [METADATA]: () => this.#metadata(),
    }
    const write = (body: WireWriter) => {
      const bytes = Buffer.concat([...new WireWriter().int32(correlation).done(), ...body.done()])
      socket.write(Buffer.concat([...new WireWriter().bytes(bytes).done()]))
    }
    if (this.isFrozen) return
    const body = { ...own, ...this.#answers }[key]?.(request, write)
    if (body) write(body)
  }

  /** v12: brokers, cluster, controller, topics. */
  #metadata(): WireWriter {
    const out = new WireWriter().tags().int32(0)
    out.compactArray([...this.brokers.entries()], ([at, { port }]) => {
      const id = at + 1
      out.int32(id).compactString('127.0.0.1').int32(port).compactString(null).tags()
    })
    out.compactString('cluster').int32(1)
    out.compactArray(this.leader ? [this.leader] : [], ({ id, epoch }) => {
      out.int16(0).compactString('plant').raw(Buffer.alloc(16, 1)).int8(0)
      out.compactArray([0], partition => {
        out.int16(0).int32(partition).int32(id).int32(epoch)
        for (let list = 0; list < 3; list++) out.compactArray([id], each => out.int32(each))
        out.tags()
      })
      out.int32(0).tags()
    })
    return out.tags()
  }
}

function apiVersions(version: number): WireWriter {
  const out = new WireWriter()
  return version > 2 ? out.int16(UNSUPPORTED_VERSION).int32(0) : out.int16(0).int32(0).int32(0)
}
