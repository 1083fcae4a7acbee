import { createServer } from 'node:net'

/** Below 32768: what lies above is handed out by the kernel to anybody's outgoing connections, and a start fails now and then. */
const PORT_FIRST = 20_000
const PORT_LAST = 32_000
const ATTEMPTS_MAX = 100

/** A port of 127.0.0.1 that nobody listens on now. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const port = PORT_FIRST + Math.floor(Math.random() * (PORT_LAST - PORT_FIRST))
    if (await isFree(port)) return port
  }
  throw new Error(`no free port between ${PORT_FIRST} and ${PORT_LAST} in ${ATTEMPTS_MAX} attempts`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
