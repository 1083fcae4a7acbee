import { isUtf8 } from 'node:buffer'
import { messageOf } from '../../runtime/errors.ts'
import { type Decoded, NOT_UTF8 } from './decoder.ts'

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d
const SPACE = 0x20

/** JSON (RFC 8259): checked, and kept as it is, on one line; digits are never rewritten. */
export function decodeJson(bytes: Buffer, from: number, to: number): Decoded {
  const value = bytes.subarray(from, to)
  if (!isUtf8(value)) return { error: NOT_UTF8 }
  try {
    JSON.parse(value.toString('utf8'))
  } catch (error) {
    return { error: `not JSON: ${messageOf(error)}` }
  }
  return { value: value.includes(LINE_FEED) || value.includes(CARRIAGE_RETURN) ? onOneLine(value) : value }
}

/** Within a text of JSON no line can end: where one does, a space says the same. */
function onOneLine(value: Buffer): Buffer {
  return value.map(byte => (byte === LINE_FEED || byte === CARRIAGE_RETURN ? SPACE : byte)) as Buffer
}
