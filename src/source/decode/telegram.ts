import type { Decoded } from './decoder.ts'
import { nameOf } from './obis-names.ts'

/*
  Telegram of a meter (IEC 62056-21, data readout; DSMR P1 companion standard 5.0.2, chapter 6)
    "/" maker (3) baud (1) type CR LF
    [CR LF]                                     DSMR
    [STX]                                       IEC 62056-21 mode C
    (address ("(" value ["*" unit] ")")+ CR LF)*
    "!" [checksum] CR LF                        DSMR 4 and later: CRC-16/ARC of "/" to "!", 4 hexadecimal digits
    [ETX BCC]                                   mode C: XOR of all after STX, ETX included
  Address: [A "-" B ":"] C "." D ["." E] ["*" F] (OBIS, IEC 62056-61)
*/
const STX = 0x02
const ETX = 0x03
const SLASH = 0x2f
const BANG = 0x21

const LINE = /^([0-9A-Za-z]+(?:[-.:*&][0-9A-Za-z]+)*)((?:\([^()]*\))+)$/
const VALUE = /\(([^()]*)\)/g
const NUMBER = /^-?\d+(?:\.\d+)?$/
/** `YYMMDDhhmmssX`: local time where the DSMR applies; X is S in summer, W in winter. */
const TIMESTAMP = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)([SW])$/
/** Lines that are read of one telegram. */
const LINES_MAX = 1_000

/** A meter's telegram as a JSON object: what has a usual name under it, with its unit at the end; the rest by its address. */
export function decodeTelegram(bytes: Buffer, from: number, to: number): Decoded {
  const telegram = bytes.subarray(from, to)
  if (telegram[0] !== SLASH) return { error: 'a telegram begins with /' }
  const end = endOf(telegram)
  if (end < 0) return { error: 'a telegram ends with ! at the beginning of a line' }
  const wrong = checksumError(telegram, end) ?? blockCheckError(telegram)
  if (wrong !== undefined) return { error: wrong }
  const text = telegram.toString('latin1', 0, end).replaceAll('\u0002', '\n')
  const [identification = '', ...lines] = text.split(/[\r\n]+/).filter(line => line !== '')
  if (lines.length > LINES_MAX) return { error: `a telegram of ${lines.length} lines` }
  const values: [string, unknown][] = [['meter', identification.slice(1)]]
  // A value in a line of its own belongs to the line before (DSMR 2.2, gas).
  const whole = lines.reduce<string[]>((all, line) => {
    if (line.startsWith('(') && all.length > 0) all.push(`${all.pop()}${line}`)
    else all.push(line)
    return all
  }, [])
  for (const line of whole) {
    const match = LINE.exec(line)
    if (!match) return { error: `not a line of a telegram: ${JSON.stringify(line.slice(0, 60))}` }
    const [, address = '', list = ''] = match
    values.push(
      ...read(
        address,
        [...list.matchAll(VALUE)].map(([, value = '']) => value),
      ),
    )
  }
  return { value: Buffer.from(JSON.stringify(Object.fromEntries(values))) }
}

/** Where the `!` stands that begins a line; −1 where there is none. */
function endOf(telegram: Buffer): number {
  for (let at = telegram.lastIndexOf(BANG); at >= 0; at = at === 0 ? -1 : telegram.lastIndexOf(BANG, at - 1)) {
    const before = telegram[at - 1]
    if (before === 0x0a || before === 0x0d || before === STX) return at
  }
  return -1
}

function checksumError(telegram: Buffer, end: number): string | undefined {
  const said = /^[0-9A-Fa-f]{4}/.exec(telegram.toString('latin1', end + 1, end + 5))?.[0]?.toUpperCase()
  if (said === undefined) return undefined
  const computed = crc16Arc(telegram, 0, end + 1)
    .toString(16)
    .toUpperCase()
    .padStart(4, '0')
  return said === computed ? undefined : `checksum ${said}, computed ${computed}`
}

function blockCheckError(telegram: Buffer): string | undefined {
  const start = telegram.indexOf(STX)
  if (start < 0) return undefined
  const end = telegram.indexOf(ETX, start)
  if (end < 0 || end + 1 >= telegram.length) return 'a telegram with STX ends with ETX and a block check character'
  let sum = 0
  for (let at = start + 1; at <= end; at++) sum ^= telegram[at] ?? 0
  const said = telegram[end + 1] ?? 0
  return said === sum ? undefined : `block check ${hex(said)}, computed ${hex(sum)}`
}

const hex = (byte: number) => byte.toString(16).toUpperCase().padStart(2, '0')

/** CRC-16/ARC: polynomial x¹⁶ + x¹⁵ + x² + 1, least significant bit first, begins with 0. */
export function crc16Arc(bytes: Buffer, from: number, to: number): number {
  let crc = 0
  for (let at = from; at < to; at++) {
    crc ^= bytes[at] ?? 0
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1
  }
  return crc
}

function read(address: string, values: readonly string[]): [string, unknown][] {
  const known = nameOf(address)
  if (!known) return [[address, values.length === 1 ? plain(values[0] ?? '') : values.map(plain)]]
  const { name, form } = known
  const last = values.at(-1) ?? ''
  switch (form) {
    case 'text':
      return [[name, last === '' ? null : last]]
    case 'octets':
      return [[name, last === '' ? null : Buffer.from(last, 'hex').toString('utf8')]]
    case 'time':
      return [[name, isoTime(last) ?? last]]
    case 'metered': {
      // (time)(value*unit), or of DSMR 2.2 (time)(status)…(address)(unit)(value)
      const [when = ''] = values
      const unit = last.includes('*') ? undefined : values.at(-2)
      return [
        [unitName(name, unit ? `${last}*${unit}` : last), quantity(last)],
        [`${name}_time`, isoTime(when) ?? when],
      ]
    }
    case 'number':
      return [[unitName(name, last), quantity(last)]]
  }
}

/** `kWh` → `_kwh`, so that the name says the unit. */
function unitName(name: string, value: string): string {
  const unit = value.split('*')[1]
  return unit === undefined || unit === '' ? name : `${name}_${unit.toLowerCase()}`
}

function quantity(value: string): number | string | null {
  const [number = ''] = value.split('*')
  if (number === '') return null
  return NUMBER.test(number) ? Number(number) : number
}

/** A value of which nothing is known: a quantity becomes number and unit, anything else stays text. */
function plain(value: string): unknown {
  const [number = '', unit] = value.split('*')
  return unit !== undefined && NUMBER.test(number) ? { value: Number(number), unit } : value
}

/** The Netherlands, Belgium and Luxembourg: UTC+1, in summer UTC+2. */
function isoTime(value: string): string | undefined {
  const match = TIMESTAMP.exec(value)
  if (!match) return undefined
  const [, year, month, day, hour, minute, second, season] = match
  return `20${year}-${month}-${day}T${hour}:${minute}:${second}${season === 'S' ? '+02:00' : '+01:00'}`
}
