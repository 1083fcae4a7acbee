import { existsSync } from 'node:fs'
import type { Socket } from 'node:net'
import { z } from 'zod'
import type { Clock } from '../runtime/clock.ts'
import { HeadraceError } from '../runtime/errors.ts'
import type { BusLine, ModbusClient } from './modbus-bus.ts'
import { rs485Options, type SwitchablePort, switchDirection } from './rs485.ts'
import { whyNotOpened } from './serial-machine.ts'
import { findUsbPort, usbIdentity, usbText } from './serial-usb.ts'
import { parseAddress } from './socket-address.ts'

const DEFAULT_PORT = 502
/** No answer is longer (Modbus over serial line 1.02, 4.1), bytes. */
const RTU_FRAME_BYTES_MAX = 256

/** `rtu:` of a Modbus source. */
export const rtuOptions = z
  .strictObject({
    path: z.string().min(1).optional().describe('Device file of the port; /dev/serial/by-id/… survives replugging.'),
    usb: usbIdentity.optional().describe('Instead of a path: the USB adapter, whichever port it is plugged into.'),
    baud: z.int().min(50).max(4_000_000).default(9_600).describe('Line speed, bit/s.'),
    parity: z.enum(['none', 'even', 'odd']).default('none').describe('Parity bit.'),
    stop_bits: z
      .union([z.literal(1), z.literal(2)])
      .default(1)
      .describe('Stop bits.'),
    rs485: rs485Options.optional(),
  })
  .refine(options => (options.path === undefined) !== (options.usb === undefined), 'needs either `path` or `usb`')
export type RtuOptions = z.output<typeof rtuOptions>

export interface LineOptions {
  readonly tcp?: string | undefined
  readonly rtu?: RtuOptions | undefined
  readonly rtu_over_tcp?: string | undefined
}

/** What the line is called where two sources may share it. */
export function rtuName({ path, usb }: RtuOptions): string {
  return usb ? usbText(usb) : (path ?? '')
}

/** `sysRoot`: where /sys is found. */
export function lineOf({ tcp, rtu, rtu_over_tcp: overTcp }: LineOptions, clock: Clock, sysRoot = '/sys'): BusLine {
  if (rtu) return serialLine(rtu, clock, sysRoot)
  const text = tcp ?? overTcp ?? ''
  const { host, port } = parseAddress(text) ?? { host: text, port: DEFAULT_PORT }
  const name = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  // What the library calls telnet is RTU, byte for byte; its "TcpRTUBuffered" puts the header of Modbus TCP before it.
  if (overTcp !== undefined) {
    const connect = async (client: ModbusClient) => {
      await client.connectTelnet(host, { port })
      forgetWhatIsNoAnswer(client)
    }
    return { name, numbered: false, connect, isAbsent: () => false }
  }
  return { name, numbered: true, connect: client => client.connectTCP(host, { port }), isAbsent: () => false }
}

/** The library keeps all that comes between two answers, and looks through it from the start each time: on a line with another master that is without end. */
function forgetWhatIsNoAnswer(client: ModbusClient): void {
  const { _port: port } = client as unknown as { _port: { _buffer: Buffer; readonly _client: Socket } }
  port._client.prependListener('data', () => {
    if (port._buffer.length > RTU_FRAME_BYTES_MAX) port._buffer = port._buffer.subarray(-RTU_FRAME_BYTES_MAX)
  })
}

function serialLine(rtu: RtuOptions, clock: Clock, sysRoot: string): BusLine {
  const { usb, baud, parity, stop_bits, rs485 } = rtu
  const find = () => (usb ? findUsbPort(usb, sysRoot) : rtu.path)
  return {
    name: rtuName(rtu),
    numbered: false,
    isAbsent: () => {
      const found = find()
      return found === undefined || !existsSync(found)
    },
    connect: async client => {
      const path = find()
      if (path === undefined) throw new HeadraceError('source_failed', `${rtuName(rtu)} is not there`)
      await client.connectRTUBuffered(path, { baudRate: baud, parity, stopBits: stop_bits }).catch((cause: unknown) => {
        throw new HeadraceError('source_failed', whyNotOpened(path, cause), { cause })
      })
      const { _port: port } = client as unknown as { _port?: { _client?: SwitchablePort } }
      if (rs485 && port?._client) await switchDirection(port._client, rs485, clock)
    },
  }
}
