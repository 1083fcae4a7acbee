import { existsSync } from 'node:fs'
import { HeadraceError, messageOf } from '../runtime/errors.ts'

/** An open port, as the serial library gives it. */
export interface SerialHandle {
  /** Resolves when there is at least one byte; rejects when the port is closed or gone. */
  read(buffer: Buffer, offset: number, length: number): Promise<{ readonly bytesRead: number }>
  write(bytes: Buffer): Promise<void>
  /** Resolves when all that was written has left. */
  drain(): Promise<void>
  /** Throws away what came and was not read. */
  flush(): Promise<void>
  /** Changes the speed; what was written and has not left is thrown away, and what came and was not read. */
  update(line: { readonly baudRate: number }): Promise<void>
  set(lines: { readonly dtr?: boolean; readonly rts?: boolean }): Promise<void>
  close(): Promise<void>
}

export interface SerialSettings {
  readonly path: string
  readonly baudRate: number
  readonly dataBits: 5 | 6 | 7 | 8
  readonly parity: 'none' | 'even' | 'odd'
  readonly stopBits: 1 | 1.5 | 2
  readonly rtscts: boolean
  readonly xon: boolean
  readonly xoff: boolean
  readonly hupcl: boolean
  readonly lock: boolean
}

/** What of the machine a serial source touches; tests hand in the library's own mock binding and trees of files. */
export interface SerialMachine {
  open(settings: SerialSettings): Promise<SerialHandle>
  isThere(path: string): boolean
  readonly sysRoot: string
  readonly procRoot: string
}

export const thisMachine: SerialMachine = {
  // Loaded where a port is read: it takes its time and memory.
  open: async settings => {
    const { SerialPort } = await import('serialport')
    return SerialPort.binding.open(settings).catch((cause: unknown) => {
      throw new HeadraceError('source_failed', whyNotOpened(settings.path, cause), { cause })
    })
  },
  isThere: existsSync,
  sysRoot: '/sys',
  procRoot: '/proc',
}

/** Why a port could not be opened: of what is none the library says that its speed cannot be set, and it puts its own word before the system's. */
export function whyNotOpened(path: string, cause: unknown): string {
  const said = messageOf(cause)
  return said.includes('Inappropriate ioctl') ? `${path} is no serial port` : said.replace(/^(?:Error:? )+/, '')
}
