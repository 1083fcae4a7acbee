import { type ReadPosition, readSync } from 'node:fs'
import { onDemand } from '../runtime/on-demand.ts'

/*
  @serialport/bindings-cpp 13.0.0 reads again, and again, when a read brings nothing: of a port whose plug was pulled while nobody waited for it, every
  read brings nothing, so that it never returns and keeps a processor busy. Here a read that brings nothing ends the port.

  It reads in a thread, which costs more than what is read. A port is opened with O_NONBLOCK: to read it here never waits, and where nothing is there (EAGAIN) the
  library waits for the port as before.
*/

const library = onDemand<typeof import('./serial-binding.ts')>(new URL('./serial-binding.ts', import.meta.url))

interface ReadablePort {
  read(buffer: Buffer, offset: number, length: number): Promise<{ bytesRead: number }>
}

/** Reads what is there, waiting for the first byte; rejects when the port is gone. */
export async function readPort(port: ReadablePort, buffer: Buffer): Promise<number> {
  const { LinuxPortBinding, unixRead } = library()
  if (!(port instanceof LinuxPortBinding)) return (await port.read(buffer, 0, buffer.length)).bytesRead
  const { bytesRead } = await unixRead({
    binding: port,
    buffer,
    offset: 0,
    length: buffer.length,
    fsReadAsync: readOrEnd as FsRead,
  })
  return bytesRead
}

/** The descriptor of an open port; undefined where it has none that the system could be asked of. */
export function descriptorOf(port: ReadablePort): number | undefined {
  const { LinuxPortBinding } = library()
  return port instanceof LinuxPortBinding ? (port.fd ?? undefined) : undefined
}

/** Reads what is there by now; undefined where nothing is. Throws when the port is gone. */
export function readWhatIsThere(fd: number, buffer: Buffer): number | undefined {
  try {
    return readBytes(fd, buffer, 0, buffer.length, null)
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'EAGAIN' || error.code === 'EINTR')) return undefined
    throw error
  }
}

type FsRead = NonNullable<Parameters<typeof import('./serial-binding.ts').unixRead>[0]['fsReadAsync']>

async function readOrEnd(
  fd: number,
  buffer: NodeJS.ArrayBufferView,
  offset: number,
  length: number,
  position: ReadPosition | null,
): Promise<{ bytesRead: number; buffer: NodeJS.ArrayBufferView }> {
  return { bytesRead: readBytes(fd, buffer, offset, length, position), buffer }
}

function readBytes(
  fd: number,
  buffer: NodeJS.ArrayBufferView,
  offset: number,
  length: number,
  position: ReadPosition | null,
): number {
  const bytesRead = readSync(fd, buffer, offset, length, position)
  if (bytesRead === 0) throw new Error('the port has ended')
  return bytesRead
}
