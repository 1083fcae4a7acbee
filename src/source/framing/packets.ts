import { DelimiterFramer } from './delimiter.ts'
import type { Framer, FramerHooks } from './framer.ts'
import type { FrameOptions } from './options.ts'

/*
  SLIP (RFC 1055)
    stream = (END? packet END)*       END = C0
    in a packet: DB DC stands for C0, DB DD for DB

  COBS (Cheshire and Baker, "Consistent Overhead Byte Stuffing")
    stream = (packet 00)*
    packet = (code, code − 1 bytes)*  after each group with a code below FF comes a 00, but for the last
*/
const SLIP = { end: '\\xc0', endByte: 0xc0, escape: 0xdb, escapedEnd: 0xdc, escapedEscape: 0xdd } as const
const COBS_GROUP_MAX = 0xff

/** Takes the stuffing out of one packet, into `into`; gives how many bytes it has, or undefined where it is malformed. */
type Unstuff = (bytes: Buffer, from: number, to: number, into: Buffer) => number | undefined

/**
 * Packets whose bytes are stuffed, so that the border occurs nowhere else. What cannot be unstuffed is counted and left out. The longest encoding of a
 * record of `max_bytes` is all that is held.
 */
export class PacketFramer implements Framer {
  readonly #borders: DelimiterFramer

  constructor(options: FrameOptions, hooks: FramerHooks) {
    const most = options.max_bytes
    const isSlip = options.packets === 'slip'
    const encodedMax = isSlip ? most * 2 : most + Math.ceil(most / (COBS_GROUP_MAX - 1)) + 1
    const unstuff = isSlip ? unstuffSlip : unstuffCobs
    const plain = Buffer.allocUnsafe(encodedMax)
    this.#borders = new DelimiterFramer(
      { ...options, delimiter: isSlip ? SLIP.end : '\\0', max_bytes: encodedMax },
      {
        ...hooks,
        onFrame: (bytes, from, to, timeMs) => {
          const length = unstuff(bytes, from, to, plain)
          if (length === undefined) hooks.onTrouble('a packet was malformed')
          else if (length > most) hooks.onTrouble('a record was too long')
          else if (length > 0) hooks.onFrame(plain, 0, length, timeMs)
        },
      },
    )
  }

  push(chunk: Buffer, receivedMs: number): void {
    this.#borders.push(chunk, receivedMs)
  }

  interrupted(): void {
    this.#borders.interrupted()
  }
}

const unstuffSlip: Unstuff = (bytes, from, to, into) => {
  let length = 0
  for (let at = from; at < to; at++) {
    let byte = bytes[at] as number
    if (byte === SLIP.escape) {
      at += 1
      if (at >= to) return undefined
      if (bytes[at] === SLIP.escapedEnd) byte = SLIP.endByte
      else if (bytes[at] === SLIP.escapedEscape) byte = SLIP.escape
      else return undefined
    }
    into[length++] = byte
  }
  return length
}

const unstuffCobs: Unstuff = (bytes, from, to, into) => {
  let length = 0
  let at = from
  while (at < to) {
    const code = bytes[at] as number
    const end = at + code
    if (end > to) return undefined
    bytes.copy(into, length, at + 1, end)
    length += code - 1
    at = end
    if (code < COBS_GROUP_MAX && at < to) into[length++] = 0
  }
  return length
}
