import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import kafkajs, { type Kafka, type KafkaConfig, type SASLOptions } from 'kafkajs'
import RequestQueue from 'kafkajs/src/network/requestQueue/index.js'
import { readNamedFile, readPassword } from '../../runtime/named-file.ts'
import type { KafkaOptions } from '../options.ts'
import { setTimerOnlyForWhatWaits } from './quiet-queue.ts'

/*
  The one file that knows what kafkajs 2.2.4 has inside: its connections, with their TLS and SASL, carry requests that it cannot write and
  responses that it cannot read.
    - Kafka[createCluster](…).connectionPoolBuilder builds a pool of two connections to a broker, one of them for Fetch alone
    - pool.getConnectionByRequest gives the one for an API, connected; its send() copies a request twice, into powers of two of zeroes, so the
      queue behind it is used: requestQueue.push({entry, sendRequest}) calls `sendRequest` when the request is to be written, and settles
      `entry` when its answer has come or the connection went
    - connect() of one that is being connected makes another socket and forgets the first, which stays until the broker ends it for silence, after ten
      minutes; and then takes the connection that is used with it
    - what a socket tells, it tells the connection, however many came after it; and of an answer that broke off the connection keeps the beginning
    - its queue would wake the process a thousand times a second: see quiet-queue.ts
    - enforceRequestTimeout is off: it would look at every request ten times a second; callers have limits of their own
*/

interface RawEntry {
  readonly apiKey: number
  readonly apiVersion: number
  readonly apiName: string
  readonly correlationId: number
  readonly resolve: (answer: { readonly payload: Buffer }) => void
  readonly reject: (error: Error) => void
}

interface OneConnection {
  readonly clientId: string
  readonly socket: Socket
  readonly requestQueue: {
    push(request: { entry: RawEntry; expectResponse: true; requestTimeout: null; sendRequest: () => void }): void
  }
  isAuthenticated(): boolean
  authenticate(): Promise<void>
  failIfNotConnected(): void
  nextCorrelationId(): number
}

interface RawBroker {
  readonly connectionPool: { getConnectionByRequest(request: { request: { apiKey: number } }): Promise<OneConnection> }
  connect(): Promise<void>
}

interface RawPool {
  readonly pool: readonly {
    /** The newest one; that it was made does not say that it stands. */
    readonly socket?: Socket
    /** What has come of an answer that is not whole, and how much there has to be before it is looked at again. */
    chunks: Buffer[]
    bytesBuffered: number
    bytesNeeded: number
    connect(): Promise<unknown>
  }[]
}

interface RawCluster {
  readonly rootLogger: object
  readonly connectionPoolBuilder: { build(destination: { host: string; port: number }): Promise<RawPool> }
  readonly brokerPool: { createBroker(options: { connectionPool: object; logger: object }): RawBroker }
}

const CONNECT_LIMIT_MS = 3_000
const SASL_MECHANISM = { plain: 'plain', 'scram-sha-256': 'scram-sha-256', 'scram-sha-512': 'scram-sha-512' } as const

/** Told of every socket that is made to an address, or goes: what was known through an older one is void. */
export type SocketWatcher = (address: string) => void

export interface RawApi {
  readonly key: number
  readonly version: number
  readonly name: string
}

/** A broker to which raw requests can be sent. */
export interface RawConnection {
  connect(): Promise<void>
  /** `encode` is called in the tick in which its bytes are written. Resolves with the response's bytes, without size and correlation id. */
  send(api: RawApi, encode: () => readonly Buffer[]): Promise<Buffer>
}

/** kafkajs as a maker of connections. */
export class KafkaJs {
  readonly #cluster: RawCluster
  readonly #sockets = new Map<string, Set<Socket>>()

  constructor(options: KafkaOptions, onSocketChange: SocketWatcher) {
    setTimerOnlyForWhatWaits(RequestQueue)
    const config: KafkaConfig = {
      brokers: options.brokers,
      clientId: options.client_id,
      logLevel: kafkajs.logLevel.NOTHING,
      connectionTimeout: CONNECT_LIMIT_MS,
      enforceRequestTimeout: false,
      ...(options.tls && { ssl: tlsOf(options.tls) }),
      ...(options.sasl && { sasl: saslOf(options.sasl) }),
      socketFactory: ({ host, port, onConnect }) => {
        // Several brokers may stand behind one address, which tells them apart by the name.
        const name = isIP(host) ? {} : { servername: host }
        // Somebody may have renewed the files since the last connection.
        const tls = options.tls && { ...name, ...tlsOf(options.tls) }
        const socket: Socket = tls ? connectTls({ host, port, ...tls }, onConnect) : connectTcp({ host, port }, onConnect)
        socket.setNoDelay(true)
        socket.setKeepAlive(true, 30_000)
        const address = `${host}:${port}`
        const sockets = this.#sockets.get(address) ?? new Set()
        this.#sockets.set(address, sockets.add(socket))
        socket.once('close', () => sockets.delete(socket))
        const changed = () => onSocketChange(address)
        changed()
        for (const event of ['end', 'error', 'close'] as const) socket.once(event, changed)
        return socket
      },
    }
    const kafka: Kafka = new kafkajs.Kafka(config)
    const symbol = Object.getOwnPropertySymbols(kafka).find(each => String(each).includes('createCluster'))
    const create = (kafka as unknown as Record<symbol, (options: object) => RawCluster>)[symbol ?? Symbol()]
    if (!create) throw new Error('this kafkajs has no createCluster: version 2.2.4 is needed')
    this.#cluster = create.call(kafka, {
      metadataMaxAge: 300_000,
      allowAutoTopicCreation: false,
      maxInFlightRequests: null,
      isolationLevel: 0,
    })
  }

  /** Ends every connection to an address at once; what waits on them is rejected. kafkajs's own way waits for a peer that may be frozen. */
  drop(address: string, reason: string): void {
    for (const socket of this.#sockets.get(address) ?? []) socket.destroy(new Error(reason))
  }

  dropAll(): void {
    for (const address of this.#sockets.keys()) this.drop(address, 'the log is closed')
  }

  async open(host: string, port: number): Promise<RawConnection> {
    const connectionPool = await this.#cluster.connectionPoolBuilder.build({ host, port })
    connectOnce(connectionPool)
    const broker = this.#cluster.brokerPool.createBroker({ connectionPool, logger: this.#cluster.rootLogger })
    return {
      connect: () => broker.connect(),
      send: async (api, encode) => {
        const connection = await broker.connectionPool.getConnectionByRequest({ request: { apiKey: api.key } })
        if (!connection.isAuthenticated()) await connection.authenticate()
        return request(connection, api, encode)
      },
    }
  }
}

/** Whoever needs a connection that is being made waits for that one; nothing of the one before it comes into it. */
function connectOnce({ pool }: RawPool): void {
  for (const connection of pool) {
    const connect = connection.connect.bind(connection)
    let underWay: Promise<unknown> | undefined
    const begin = () => {
      if (connection.socket) letGo(connection.socket)
      Object.assign(connection, { chunks: [], bytesBuffered: 0, bytesNeeded: SIZE_BYTES })
      return connect().finally(() => {
        underWay = undefined
      })
    }
    connection.connect = () => {
      underWay ??= begin()
      return underWay
    }
  }
}

/** Nobody is told anything more by it, but that it is closed. */
function letGo(socket: Socket): void {
  for (const event of ['data', 'end', 'error', 'timeout']) socket.removeAllListeners(event)
  socket.on('error', () => {})
  socket.destroy()
}

/*
  Request header v1, Kafka protocol guide, "Protocol Requests": size INT32, apiKey INT16, apiVersion INT16, correlationId INT32, clientId STRING
*/
const SIZE_BYTES = 4
const HEADER_BYTES = SIZE_BYTES + 2 + 2 + 4 + 2

function request(connection: OneConnection, api: RawApi, encode: () => readonly Buffer[]): Promise<Buffer> {
  connection.failIfNotConnected()
  const correlationId = connection.nextCorrelationId()
  return new Promise((resolve, reject) => {
    const sendRequest = () => {
      const body = encode()
      const client = Buffer.from(connection.clientId)
      const header = Buffer.allocUnsafe(HEADER_BYTES + client.length)
      header.writeInt32BE(
        body.reduce((sum, piece) => sum + piece.length, header.length - SIZE_BYTES),
        0,
      )
      header.writeInt16BE(api.key, SIZE_BYTES)
      header.writeInt16BE(api.version, SIZE_BYTES + 2)
      header.writeInt32BE(correlationId, SIZE_BYTES + 4)
      header.writeInt16BE(client.length, SIZE_BYTES + 8)
      client.copy(header, HEADER_BYTES)
      const { socket } = connection
      // All pieces go to the system with one call.
      socket.cork()
      for (const piece of [header, ...body]) socket.write(piece)
      socket.uncork()
    }
    const names = { apiKey: api.key, apiVersion: api.version, apiName: api.name }
    const entry = { ...names, correlationId, resolve: ({ payload }: { payload: Buffer }) => resolve(payload), reject }
    connection.requestQueue.push({ entry, expectResponse: true, requestTimeout: null, sendRequest })
  })
}

function tlsOf(tls: NonNullable<KafkaOptions['tls']>) {
  const { ca, cert, key } = tls
  return {
    ...(ca !== undefined && { ca: [readNamedFile('authorities', ca)] }),
    ...(cert !== undefined && { cert: readNamedFile('certificate', cert) }),
    ...(key !== undefined && { key: readNamedFile('key', key) }),
  }
}

function saslOf(sasl: NonNullable<KafkaOptions['sasl']>): SASLOptions {
  const { mechanism, username, password_file } = sasl
  return { mechanism: SASL_MECHANISM[mechanism], username, password: readPassword(password_file) } as SASLOptions
}
