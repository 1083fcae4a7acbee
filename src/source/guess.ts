import { systemClock } from '../runtime/clock.ts'
import { createDecoder } from './decode/create-decoder.ts'
import { type DecodeOptions, decodeOptions } from './decode/options.ts'
import { createFramer } from './framing/create-framer.ts'
import { frameOptions } from './framing/options.ts'

/** What bytes of a line may be: framing and decoder as a pipeline file writes them. */
export interface Guess {
  readonly what: string
  readonly frame?: string
  readonly decode: string
  /** Records that were decoded, and all that there were. */
  readonly good: number
  readonly all: number
  /** The first of them, as a person reads it. */
  readonly sample: string
}

interface Candidate {
  readonly what: string
  readonly frame?: { readonly yaml: string; readonly options: object }
  readonly decode: { readonly yaml: string; readonly options: unknown }
}

const LINES = { delimiter: '\\n' }
const COLUMNS_MAX = 100

const CANDIDATES: readonly Candidate[] = [
  {
    what: 'telegrams of a smart meter',
    frame: { yaml: '{ telegram: dsmr }', options: { telegram: 'dsmr' } },
    decode: { yaml: 'telegram', options: 'telegram' },
  },
  { what: 'NMEA 0183', decode: { yaml: 'nmea', options: 'nmea' } },
  { what: 'JSON, line by line', decode: { yaml: 'json', options: 'json' } },
]

/** Framings of bytes that are no text; what is in them is for a person to say. */
const PACKETS = [
  {
    what: 'packets between STX and ETX',
    yaml: '{ between: { start: "\\\\x02", end: "\\\\x03" } }',
    options: { between: { start: '\\x02', end: '\\x03' } },
  },
  { what: 'SLIP packets', yaml: '{ packets: slip }', options: { packets: 'slip' } },
  { what: 'COBS packets', yaml: '{ packets: cobs }', options: { packets: 'cobs' } },
] as const
/** Fewer may be chance. */
const RECORDS_MIN = 3
const SAMPLE_BYTES_MAX = 16
const PRINTABLE = /^[\t\x20-\x7e]+$/

/** Of what was read on a line the likeliest meaning; undefined where it is noise, or too little. */
export function guess(bytes: Buffer): Guess | undefined {
  const numbers = columnsIn(bytes)
  const candidates = numbers === undefined ? CANDIDATES : [...CANDIDATES, numbers]
  // What begins in the middle of a record and ends in one costs two of them.
  const fitting = candidates.map(candidate => attempt(candidate, bytes)).filter(({ good, all }) => good >= 2 && good >= all - 2)
  return fitting.toSorted((a, b) => b.good / b.all - a.good / a.all)[0] ?? plainLines(bytes) ?? packetsIn(bytes)
}

/** Lines that a person can read, whatever they mean. */
function plainLines(bytes: Buffer): Guess | undefined {
  const lines = bytes.toString('latin1').split(/\r?\n/).slice(1, -1)
  const all = lines.filter(line => line !== '')
  if (all.length < RECORDS_MIN || !all.every(line => PRINTABLE.test(line))) return undefined
  return { what: 'lines of text', decode: 'raw', good: all.length, all: all.length, sample: all[0] ?? '' }
}

/** Packets between border bytes that are all of one length, since a line at the wrong speed has such bytes in it as well. */
function packetsIn(bytes: Buffer): Guess | undefined {
  for (const { what, yaml, options } of PACKETS) {
    const lengths: number[] = []
    let trouble = 0
    let sample = ''
    const framer = createFramer(frameOptions.parse(options), {
      onFrame: (record, from, to) => {
        lengths.push(to - from)
        if (sample === '') sample = record.toString('hex', from, Math.min(to, from + SAMPLE_BYTES_MAX))
      },
      onTrouble: () => {
        trouble += 1
      },
      clock: systemClock,
    })
    framer.push(bytes, 0)
    // What begins in the middle of a packet costs one.
    const whole = lengths.slice(1)
    if (whole.length >= RECORDS_MIN && new Set(whole).size === 1 && trouble <= 1) {
      const good = lengths.length
      return {
        what: `${what} of ${whole[0]} bytes`,
        frame: yaml,
        decode: 'raw',
        good,
        all: good + trouble,
        sample: `${sample} (hexadecimal)`,
      }
    }
  }
  return undefined
}

function attempt({ what, frame, decode }: Candidate, bytes: Buffer): Guess {
  const decoder = createDecoder(decodeOptions.parse(decode.options) as DecodeOptions)
  let good = 0
  let all = 0
  let sample = ''
  const framer = createFramer(frameOptions.parse(frame?.options ?? LINES), {
    onFrame: (record, from, to) => {
      const end = record[to - 1] === 0x0d ? to - 1 : to
      if (end <= from) return
      all += 1
      const decoded = decoder?.(record, from, frame ? to : end)
      if (!decoded || 'error' in decoded) return
      good += 1
      if ('value' in decoded && sample === '') sample = decoded.value.toString('utf8')
    },
    onTrouble: () => {},
    clock: systemClock,
  })
  framer.push(bytes, 0)
  return { what, ...(frame && { frame: frame.yaml }), decode: decode.yaml, good, all, sample }
}

/** What values are separated by, likeliest first, as a pipeline file writes it; a comma is as good as said. */
const SEPARATORS = [
  { is: ';', yaml: ', separator: ";"' },
  { is: '\t', yaml: ', separator: "\\\\t"' },
  { is: ',', yaml: '' },
] as const
const COMMA_NUMBER = /^\s*[+-]?\d+,\d+\s*$/

/** Lines of as many values each, with the same separator between, of which one at least is a number. */
function columnsIn(bytes: Buffer): Candidate | undefined {
  const lines = bytes.toString('latin1').split(/\r?\n/).slice(1, -1)
  const line = lines.find(each => each !== '')
  if (line === undefined || !PRINTABLE.test(line) || !/\d/.test(line)) return undefined
  const separator = SEPARATORS.find(({ is }) => line.includes(is))
  if (!separator) return undefined
  const values = line.split(separator.is)
  if (values.length > COLUMNS_MAX) return undefined
  const names = values.map((_, index) => `value_${index + 1}`)
  const hasCommas = separator.is !== ',' && values.some(value => COMMA_NUMBER.test(value))
  const options = { csv: names, separator: separator.is === '\t' ? '\\t' : separator.is, decimal: hasCommas ? ',' : '.' }
  const yaml = `{ csv: [${names.join(', ')}]${separator.yaml}${hasCommas ? ', decimal: ","' : ''} }`
  return { what: `lines of ${names.length} values`, decode: { yaml, options } }
}
