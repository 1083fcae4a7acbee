import { readFileSync } from 'node:fs'
import { createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { RouterPolicy } from './router-policy.ts'

/** Who a peer is to a router: the common name of its certificate. */
export type User = string

/** A listener of the network, and the policy there. */
export interface Door {
  readonly scheme: 'amqp' | 'amqps'
  listen(port: number, connected: (socket: Socket) => void): Server
  userOf(socket: Socket): User | undefined
  /** Whether the policy lets a user attach a sender to an address (undefined: the anonymous terminus, where each message is judged by its own). */
  maySend(user: User | undefined, address: string | undefined): boolean
  /** The same for a receiver (undefined: a dynamic address). */
  mayReceive(user: User | undefined, address: string | undefined): boolean
}

/** Anybody may do anything. */
export const OPEN_DOOR: Door = {
  scheme: 'amqp',
  listen: (port, connected) => listening(createTcpServer(connected), port),
  userOf: () => undefined,
  maySend: () => true,
  mayReceive: () => true,
}

/** TLS with certificates, and the policy of the interior router in `deploy/router/`. */
export function tlsDoor(files: { cert: string; key: string; ca: string }): Door {
  const policy = new RouterPolicy('interior.json')
  const material = { cert: readFileSync(files.cert), key: readFileSync(files.key), ca: readFileSync(files.ca) }
  return {
    scheme: 'amqps',
    listen: (port, connected) => {
      const server = createTlsServer({ ...material, requestCert: true, rejectUnauthorized: true }, connected)
      server.on('tlsClientError', () => {})
      return listening(server, port)
    },
    userOf: socket => {
      const name = (socket as TLSSocket).getPeerCertificate().subject.CN
      return Array.isArray(name) ? name[0] : name
    },
    maySend: (user, address) => user !== undefined && policy.maySend(user, address),
    mayReceive: (user, address) => user !== undefined && policy.mayReceive(user, address),
  }
}

function listening(server: Server, port: number): Server {
  return server.listen(port, '127.0.0.1')
}
