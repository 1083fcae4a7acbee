import { z } from 'zod'
import { duration } from '../../runtime/units.ts'

const ESCAPE = /(\\(?:x[0-9a-fA-F]{2}|[rnt0\\]))/
const LETTERS: Readonly<Record<string, string>> = { r: '\r', n: '\n', t: '\t', '0': '\0', '\\': '\\' }

/** Text with escapes (`\r\n`, `\x03`) as bytes; what is written as it is, is UTF-8. */
export function escapedBytes(text: string): Buffer {
  const parts = text.split(ESCAPE).map((part, index) => {
    const isEscape = index % 2 === 1
    if (!isEscape) return Buffer.from(part)
    return part[1] === 'x' ? Buffer.from(part.slice(2), 'hex') : Buffer.from(LETTERS[part[1] ?? ''] ?? '')
  })
  return Buffer.concat(parts)
}

export const FRAME_BYTES_MAX = 900_000

const border = z.string().min(1).max(16)
/** The keys of which a framing has exactly one. */
export const FRAMINGS = ['delimiter', 'length', 'length_field', 'between', 'packets', 'silence', 'telegram'] as const

const MAX_BYTES_DEFAULT = 4_096
const OVERSIZE_DEFAULT = 'drop'

/** `frame:` of a source in a pipeline file. */
export const frameOptions = z
  .strictObject({
    delimiter: z
      .string()
      .min(1)
      .max(16)
      .optional()
      .describe('What ends a record, such as "\\r\\n"; \\x03 writes a byte. It is not part of the record.'),
    length: z.int().min(1).max(FRAME_BYTES_MAX).optional().describe('Every record has so many bytes.'),
    length_field: z
      .strictObject({
        offset: z.int().min(0).max(64).default(0).describe('Where the length stands in a record.'),
        bytes: z
          .union([z.literal(1), z.literal(2), z.literal(4)])
          .default(1)
          .describe('How many bytes it takes.'),
        order: z.enum(['big', 'little']).default('big').describe('Order of its bytes.'),
        adds: z.int().min(-64).max(64).default(0).describe('Added to it to get the number of bytes that follow it.'),
        start: border
          .optional()
          .describe('What every record begins with: after noise it is looked for. The offset counts from its first byte.'),
      })
      .optional()
      .describe('A field near the beginning of each record says how long it is.'),
    silence: duration({ min: '1ms', max: '60s' }).optional().describe('A record ends when nothing comes for so long.'),
    telegram: z
      .enum(['dsmr', 'iec62056'])
      .optional()
      .describe(
        'Telegrams of meters, from / to the line that begins with !; iec62056 also reads the block check after STX … ETX.',
      ),
    between: z
      .strictObject({
        start: border.describe('What begins a record, such as "\\x02".'),
        end: border.describe('What ends it, such as "\\x03". Neither may occur within a record.'),
        trailer: z
          .int()
          .min(0)
          .max(16)
          .default(0)
          .describe('Bytes behind the end that belong to the record, such as a checksum.'),
        borders: z.enum(['drop', 'keep']).default('drop').describe('Whether start and end are part of the record.'),
      })
      .optional()
      .describe('Records stand between start and end bytes; what lies outside is passed over and counted.'),
    packets: z
      .enum(['slip', 'cobs'])
      .optional()
      .describe('Records are packets with stuffed bytes: SLIP (RFC 1055) or COBS, which ends them with a zero.'),
    max_bytes: z
      .int()
      .min(1)
      .max(FRAME_BYTES_MAX)
      .default(MAX_BYTES_DEFAULT)
      .describe('No record is longer; what would be is cut off or left out.'),
    oversize: z
      .enum(['drop', 'truncate'])
      .default(OVERSIZE_DEFAULT)
      .describe('What happens to a record that is too long: it is left out and counted, or its beginning is kept.'),
  })
  .refine(
    options => FRAMINGS.filter(framing => options[framing] !== undefined).length === 1,
    `needs exactly one of ${FRAMINGS.map(framing => `\`${framing}\``).join(', ')}`,
  )
  .refine(
    options => options.packets === undefined || options.oversize === 'drop',
    'cannot keep the beginning of a packet: `oversize` has to be drop',
  )
export type FrameOptions = z.output<typeof frameOptions>

/** Where a source says nothing of it. */
export const LINES: FrameOptions = { delimiter: '\n', max_bytes: MAX_BYTES_DEFAULT, oversize: OVERSIZE_DEFAULT }
