import { isUtf8 } from 'node:buffer'
import { escapedBytes } from '../framing/options.ts'
import { type Decoded, type Decoder, NOT_UTF8 } from './decoder.ts'
import type { CsvOptions } from './options.ts'

/** A number as JSON knows it; others stay text. */
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/
const COMMA_NUMBER = /^[+-]?\d+,\d*(?:[eE][+-]?\d+)?$/
/** Leading zeros, signs and points that devices write and JSON does not know. */
const LOOSE_NUMBER = /^([+-]?)(\d+)(?:\.(\d*))?([eE][+-]?\d+)?$/
/** Apart from the number: together they would take the square of the time that many zeros take. */
const LEADING_ZEROS = /^0+(?=\d)/

/** Comma-separated values (RFC 4180), or those with another separator, with known columns: one line becomes a JSON object. */
export function csvDecoder({ csv: columns, separator: written, decimal }: CsvOptions): Decoder {
  const separator = escapedBytes(written).toString('utf8')
  const names = columns.map((column, index) => `${index === 0 ? '{' : ','}"${column}":`)
  return (bytes, from, to): Decoded => {
    const raw = bytes.subarray(from, to)
    // Other bytes would come out as question marks: kept as they came, nothing of them is lost.
    if (!isUtf8(raw)) return { error: NOT_UTF8 }
    const line = raw.toString('utf8')
    const fields = line.includes(QUOTE) ? splitQuoted(line, separator) : line.split(separator)
    if (typeof fields === 'string') return { error: fields }
    if (fields.length !== columns.length) return { error: `${fields.length} values for ${columns.length} columns` }
    let json = ''
    for (let index = 0; index < fields.length; index++) json += names[index] + toJson((fields[index] as string).trim(), decimal)
    return { value: Buffer.from(`${json}}`) }
  }
}

/** Digits are kept as they came: none is rounded, and none makes an infinity. */
export function toJson(field: string, decimal = '.'): string {
  if (decimal === ',' && COMMA_NUMBER.test(field)) return toJson(field.replace(',', '.'))
  if (NUMBER.test(field)) return field
  const loose = LOOSE_NUMBER.exec(field)
  if (!loose) return field === '' ? 'null' : JSON.stringify(field)
  const [, sign, whole = '', fraction, exponent = ''] = loose
  return `${sign === '-' ? '-' : ''}${whole.replace(LEADING_ZEROS, '')}${fraction ? `.${fraction}` : ''}${exponent}`
}

const QUOTE = '"'

/** The fields of a line in which some are quoted; as text, what is wrong with it. */
function splitQuoted(line: string, separator: string): string[] | string {
  const fields: string[] = []
  for (let at = 0; ; ) {
    const isQuoted = line[at] === QUOTE
    const end = isQuoted ? endOfQuoted(line, at) : endOfPlain(line, separator, at)
    if (end < line.length && line[end] !== separator) return 'a quote is not closed, or stands in the middle of a value'
    fields.push(isQuoted ? line.slice(at + 1, end - 1).replaceAll('""', QUOTE) : line.slice(at, end))
    if (end >= line.length) return end > line.length ? 'a quote is not closed, or stands in the middle of a value' : fields
    at = end + 1
  }
}

/** Where a quoted field ends, behind its last quote; past the end of the line where it has none. */
function endOfQuoted(line: string, from: number): number {
  for (let at = from + 1; at < line.length; at++) {
    if (line[at] !== QUOTE) continue
    if (line[at + 1] !== QUOTE) return at + 1
    at += 1
  }
  return line.length + 1
}

/** Where a field without quotes ends: at a separator, at a quote that should not be there, or with the line. */
function endOfPlain(line: string, separator: string, from: number): number {
  for (let at = from; at < line.length; at++) if (line[at] === separator || line[at] === QUOTE) return at
  return line.length
}
