import { createServer, type Server } from 'node:net'

/** Below 32768: what lies above is handed out by the kernel to anybody's outgoing connections, and a start fails now and then. */
const PORT_FIRST = 20_000
const PORT_LAST = 32_000
const ATTEMPTS_MAX = 100

/**
 * A port of 127.0.0.1 that nobody listens on now, and that is given to no other process of ours while this one lives: between the
 * look and the bind of whoever it is for (a broker takes seconds) another would be given the same one.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const port = PORT_FIRST + Math.floor(Math.random() * (PORT_LAST - PORT_FIRST))
    const kept = await keep(port)
    if (!kept) continue
    if (await isFree(port)) return port
    kept.close()
  }
  throw new Error(`no free port between ${PORT_FIRST} and ${PORT_LAST} in ${ATTEMPTS_MAX} attempts`)
}

/** A name among the kernel's abstract sockets (unix(7)): one process has it at a time, and it ends with the process however that ends. */
function keep(port: number): Promise<Server | undefined> {
  return new Promise(resolve => {
    const server = createServer(socket => socket.destroy())
    server.once('error', () => resolve(undefined))
    server.listen(`\0headrace-port-${port}`, () => resolve(server.unref()))
  })
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
