import type { Connection } from '../amqp/amqp.ts'

/**
 * A connection, or undefined where there is none, or a stop came first. Dialling cannot be broken off, and a stop does not wait for its limit: a
 * connection that comes later is closed here, since nobody else knows of it.
 */
export async function dial(
  connect: () => Promise<Connection>,
  stopping: AbortSignal,
  onFailure: (cause: unknown) => void,
): Promise<Connection | undefined> {
  const stop = Promise.withResolvers<undefined>()
  const stopped = () => stop.resolve(undefined)
  stopping.addEventListener('abort', stopped, { once: true })
  const dialling = connect()
  try {
    const connection = await Promise.race([dialling, stop.promise])
    if (!connection) void dialling.then(late => late.close()).catch(() => {})
    return connection
  } catch (cause) {
    onFailure(cause)
    return undefined
  } finally {
    stopping.removeEventListener('abort', stopped)
  }
}
