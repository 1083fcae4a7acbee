import { createServer, type Server, type Socket } from 'node:net'

/** How long a device that starts anew is away. */
export const AWAY_MS = 150
const CONNECTIONS_MAX = 32

/**
 * Something that a device keeps open: closed for a moment where it starts anew, and for good at the end. `open` opens it again at the same place.
 */
export class Opened {
  readonly #open: () => Promise<() => Promise<void>>
  #close: (() => Promise<void>) | undefined
  #restarting: Promise<void> | undefined
  #stopped = false

  constructor(open: () => Promise<() => Promise<void>>) {
    this.#open = open
  }

  async start(): Promise<void> {
    this.#close = await this.#open()
  }

  /** Away, and there again; one time after the other. */
  restart(): void {
    if (this.#stopped || this.#restarting) return
    this.#restarting = this.#restart().finally(() => {
      this.#restarting = undefined
    })
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#restarting
    await this.#close?.()
  }

  async #restart(): Promise<void> {
    await this.#close?.()
    this.#close = undefined
    await new Promise(resolve => setTimeout(resolve, AWAY_MS))
    if (!this.#stopped) this.#close = await this.#open()
  }
}

/** A port of this machine, or a path. */
export type Place = { readonly port: number } | { readonly path: string }

/** Accepts connections at a place; what it gives cuts all of them and closes the place. */
export async function accepting(place: Place, accept: (socket: Socket) => void): Promise<() => Promise<void>> {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    accept(socket)
  })
  server.maxConnections = CONNECTIONS_MAX
  await listening(server, place)
  return async () => {
    for (const socket of sockets) socket.destroy()
    await closed(server)
  }
}

/** Resolves when a server listens at a place. */
export function listening(server: Server, place: Place): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    const there = 'path' in place ? place : { ...place, host: '127.0.0.1' }
    server.listen(there, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** Resolves when the server is closed; what is connected has to be ended by whoever calls. */
export function closed(server: Server): Promise<void> {
  return new Promise(resolve => server.close(() => resolve()))
}
