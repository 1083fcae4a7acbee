import { messageOf } from '../../runtime/errors.ts'
import type { Decoded } from './decoder.ts'

/** JSON (RFC 8259): checked, and kept as it is where it stands on one line; digits are never rewritten. */
export function decodeJson(bytes: Buffer, from: number, to: number): Decoded {
  const value = bytes.subarray(from, to)
  try {
    const parsed: unknown = JSON.parse(value.toString('utf8'))
    return value.includes(0x0a) || value.includes(0x0d) ? { value: Buffer.from(JSON.stringify(parsed)) } : { value }
  } catch (error) {
    return { error: `not JSON: ${messageOf(error)}` }
  }
}
