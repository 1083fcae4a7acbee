import type { Decoded, Decoder } from './decoder.ts'

/** A number as JSON knows it; others stay text. */
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/
/** Leading zeros and signs that devices write and JSON does not know. */
const LOOSE_NUMBER = /^[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?$/

/** One field, up to the comma or the end that follows it. */
const FIELD = /(?:"((?:[^"]|"")*)"|[^,"]*)(?=,|$)/y

/** Comma-separated values (RFC 4180) with known columns: one line becomes a JSON object. */
export function csvDecoder(columns: readonly string[]): Decoder {
  const names = columns.map((column, index) => `${index === 0 ? '{' : ','}"${column}":`)
  return (bytes, from, to): Decoded => {
    const line = bytes.toString('utf8', from, to)
    const fields = line.includes('"') ? splitQuoted(line) : line.split(',')
    if (typeof fields === 'string') return { error: fields }
    if (fields.length !== columns.length) return { error: `${fields.length} values for ${columns.length} columns` }
    let json = ''
    for (let index = 0; index < fields.length; index++) json += names[index] + toJson((fields[index] as string).trim())
    return { value: Buffer.from(`${json}}`) }
  }
}

function toJson(field: string): string {
  if (NUMBER.test(field)) return field
  if (LOOSE_NUMBER.test(field)) return String(Number(field))
  return field === '' ? 'null' : JSON.stringify(field)
}

/** The fields of a line in which some are quoted; as text, what is wrong with it. */
function splitQuoted(line: string): string[] | string {
  const fields: string[] = []
  for (let at = 0; at <= line.length; at++) {
    FIELD.lastIndex = at
    const match = FIELD.exec(line)
    if (!match) return 'a quote is not closed, or stands in the middle of a value'
    fields.push(match[1] === undefined ? match[0] : match[1].replaceAll('""', '"'))
    // What follows is a comma, or the end; behind the comma comes another field, be it empty.
    at = FIELD.lastIndex
  }
  return fields
}
