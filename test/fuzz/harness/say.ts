import { connect } from 'node:net'

/** Says it, hears what comes, and goes. */
export function say(to: { path: string } | { port: number; host: string }, pieces: readonly Buffer[]): Promise<void> {
  return new Promise(resolve => {
    const socket = connect(to)
    socket.on('error', () => {})
    socket.once('close', () => resolve())
    socket.once('data', () => socket.destroy())
    for (const piece of pieces) socket.write(piece)
    socket.end()
  })
}
