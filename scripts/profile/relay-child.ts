/** Hands on what it receives; says over its channel where it listens, and what it has taken of a processor since, seconds. */
import { createServer } from 'node:net'

const server = createServer(socket => {
  socket.setNoDelay(true)
  socket.pipe(socket)
  socket.on('error', () => {})
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  const before = process.cpuUsage()
  process.on('message', () => {
    const { user, system } = process.cpuUsage(before)
    process.send?.((user + system) / 1e6)
  })
  process.send?.(typeof address === 'object' && address !== null ? address.port : 0)
})
