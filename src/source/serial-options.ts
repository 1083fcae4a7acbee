import { z } from 'zod'
import { nearest } from '../runtime/nearest.ts'
import { duration } from '../runtime/units.ts'
import { rs485Options } from './rs485.ts'
import { serialProfileNames } from './serial-profile.ts'
import { usbIdentity } from './serial-usb.ts'

/** Requests that one device is asked in turn. */
const REQUESTS_MAX = 50

/** `ask:` of a serial source. */
const askOptions = z
  .strictObject({
    requests: z
      .array(z.string().min(1).max(1_000))
      .min(1)
      .max(REQUESTS_MAX)
      .optional()
      .describe('What is sent, in turn, such as "MEAS?\\r\\n"; \\x02 writes a byte.'),
    iec62056: z
      .strictObject({
        address: z
          .string()
          .regex(/^[0-9A-Za-z ]{0,32}$/, 'is not the address of a meter: up to 32 letters, digits and blanks')
          .default('')
          .describe('Of one meter among several on the line; every meter answers, unless set.'),
        baud_max: z
          .union([300, 600, 1_200, 2_400, 4_800, 9_600, 19_200].map(each => z.literal(each)))
          .default(19_200)
          .describe('No faster than this, whatever the meter offers: not every optical head can.'),
      })
      .optional()
      .describe(
        'Instead: calls a meter (IEC 62056-21, modes A, B and C) and goes on at the speed that it offers. `baud` is that of the call, mostly 300, with 7 bits and even parity.',
      ),
    every: duration({ min: '10ms', max: '1d' }).default(1_000).describe('How often the round of requests begins.'),
    timeout: duration({ min: '10ms', max: '5m' }).default(1_000).describe('How long a record may take to come for each.'),
    echo: z
      .boolean()
      .default(false)
      .describe('Whether the line gives back what is sent, as two wires and optical heads do: it is taken out then.'),
  })
  .refine(
    ({ requests, iec62056 }) => (requests === undefined) !== (iec62056 === undefined),
    'needs either `requests` or `iec62056`',
  )

/** `serial:` of a source in a pipeline file. */
export const serialOptions = z
  .strictObject({
    path: z.string().min(1).optional().describe('Device file. /dev/serial/by-id/… survives replugging.'),
    usb: usbIdentity.optional().describe('Instead of a path: the USB adapter, whichever port it is plugged into.'),
    device: z
      .string()
      .superRefine((device, context) => {
        const names = serialProfileNames()
        if (names.includes(device)) return
        const meant = nearest(device, names)
        const message = `"${device}" is no device profile${meant ? `; did you mean "${meant}"?` : '.'} Known are ${names.join(', ')}.`
        context.addIssue({ code: 'custom', message })
      })
      .optional()
      .describe(
        'A profile in hardware/devices/serial/: line settings, framing, decoder, requests, units and event time are those of the device, unless the file says otherwise.',
      ),
    baud: z.int().min(50).max(4_000_000).default(9_600).describe('Line speed, bit/s.'),
    data_bits: z
      .union([z.literal(5), z.literal(6), z.literal(7), z.literal(8)])
      .default(8)
      .describe('Data bits of a character.'),
    parity: z.enum(['none', 'even', 'odd']).default('none').describe('Parity bit.'),
    stop_bits: z
      .union([z.literal(1), z.literal(1.5), z.literal(2)])
      .default(1)
      .describe('Stop bits.'),
    flow: z.enum(['none', 'hardware', 'software']).default('none').describe('Flow control: RTS/CTS or XON/XOFF.'),
    dtr: z.enum(['on', 'off']).optional().describe('State of the DTR line while it is open; the system decides, unless set.'),
    rts: z.enum(['on', 'off']).optional().describe('State of the RTS line while it is open; the system decides, unless set.'),
    hang_up: z.boolean().default(true).describe('Whether DTR is dropped when the port is closed.'),
    rs485: rs485Options.optional(),
    ask: askOptions.optional().describe('For devices that speak only when they are asked.'),
    gather: duration({ max: '1s' })
      .optional()
      .describe(
        "How long what comes is gathered before it is read again; a fifth of the pipeline's `durability` and at most 10ms, unless set; not at all where `silence` tells records apart, nor while a read brings 2 kB and more. Each read costs more than each line; a record may wait that long.",
      ),
  })
  .refine(options => (options.path === undefined) !== (options.usb === undefined), 'needs either `path` or `usb`')
  .refine(
    options => !options.rs485 || (options.flow !== 'hardware' && options.rts === undefined),
    'cannot use RTS twice: `rs485` switches it, so that `rts` and `flow: hardware` have to go',
  )
export type SerialOptions = z.output<typeof serialOptions>

const GATHER_MAX_MS = 10
/** What a record may wait before it is read, as a part of what it may wait afterwards. */
const GATHER_SHARE = 5

/** How long bytes are gathered before the next read, ms: the promise of the pipeline says how much a reading may be late. */
export function gatherMs(
  { gather }: Pick<SerialOptions, 'gather'>,
  pipeline: { readonly pausesMatter: boolean; durabilityMs(): number },
): number {
  if (gather !== undefined) return gather
  return pipeline.pausesMatter ? 0 : Math.min(GATHER_MAX_MS, pipeline.durabilityMs() / GATHER_SHARE)
}
