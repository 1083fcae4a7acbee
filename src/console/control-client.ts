import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { ERROR_CODES, type ErrorCode, HeadraceError } from '../runtime/errors.ts'
import type { ControlError, ControlReply } from './control-protocol.ts'

const CONNECT_LIMIT_MS = 3_000

/** Asks a running process; rejects with `not_running` where none listens, and with the error that it answers. */
export async function control<Result>(path: string, call: string, args: object = {}): Promise<Result> {
  for await (const reply of replies(path, call, args)) {
    if ('result' in reply) return reply.result as Result
  }
  throw new HeadraceError('link_lost', 'the process ended before it had answered')
}

/** The items of a call that gives a stream, for as long as the caller takes them. */
export async function* controlStream<Item>(path: string, call: string, args: object, signal?: AbortSignal): AsyncGenerator<Item> {
  for await (const reply of replies(path, call, args, signal)) {
    if ('item' in reply) yield reply.item as Item
  }
}

async function* replies(
  path: string,
  call: string,
  args: object,
  signal?: AbortSignal,
): AsyncGenerator<Exclude<ControlReply, { error: ControlError }>> {
  const socket = await open(path)
  const lines = createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY })
  // A socket that is destroyed does not end the reading of its lines.
  const end = () => {
    lines.close()
    socket.destroy()
  }
  signal?.addEventListener('abort', end, { once: true })
  try {
    // Nobody tells a listener that comes too late.
    if (signal?.aborted) return
    socket.write(`${JSON.stringify({ call, args })}\n`)
    for await (const line of lines) {
      const reply = JSON.parse(line) as ControlReply
      if ('error' in reply) throw toError(reply.error)
      yield reply
      if ('result' in reply) return
    }
  } catch (error) {
    if (!signal?.aborted) throw error
  } finally {
    signal?.removeEventListener('abort', end)
    socket.destroy()
  }
}

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.setTimeout(CONNECT_LIMIT_MS, () => {
      socket.destroy()
      reject(new HeadraceError('timeout', `nobody answers at ${path}`))
    })
    socket.once('connect', () => {
      socket.setTimeout(0)
      resolve(socket)
    })
    socket.once('error', (cause: NodeJS.ErrnoException) => {
      const absent = cause.code === 'ENOENT' || cause.code === 'ECONNREFUSED'
      const message = absent ? `nothing is running at ${path}` : `${path}: ${cause.message}`
      reject(new HeadraceError(absent ? 'not_running' : 'link_lost', message, { cause }))
    })
  })
}

function toError({ code, message, advice }: ControlError): HeadraceError {
  const known = ERROR_CODES.find(each => each === code) as ErrorCode | undefined
  return new HeadraceError(known ?? 'internal', message, advice === undefined ? {} : { advice })
}
