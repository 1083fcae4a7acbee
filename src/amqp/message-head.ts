import { assert } from '../runtime/errors.ts'
import type { Message } from './amqp.ts'
import { DESCRIBED, SMALL_ULONG } from './encoded-values.ts'
import { PROPERTY } from './messages.ts'

/*
  What stands before the bytes of a message's body (AMQP 1.0 part 3, 3.2; part 1, 1.6)
    section                  0x00 0x53 code, then its value
    header             0x70  list: durable BOOLEAN, priority, ttl UINT (ms)
    properties         0x73  list: message-id, user-id, to STRING, subject, reply-to STRING, correlation-id STRING
    application-props  0x74  map: STRING to STRING, UINT or ULONG
    data               0x75  binary
  A list or map of up to 255 bytes has its size and count in one byte each, else in four. What a list ends with and does not say is left out.
*/
const SECTION = { header: 0x70, properties: 0x73, applicationProperties: 0x74, data: 0x75 } as const
const LIST = { short: 0xc0, long: 0xd0 } as const
const MAP = { short: 0xc1, long: 0xd1 } as const
const NULL = 0x40
const TRUE = 0x41
const FALSE = 0x42
const STRING = { short: 0xa1, long: 0xb1 } as const
const UINT = 0x70
const ULONG = 0x80
const BINARY_LONG = 0xb0
const SHORT_MAX = 255
/** Constructor, size and count of a short list or map, and of a long one. */
const COMPOUND_BYTES = { short: 3, long: 9 } as const
/** A string's constructor and size, or a number of eight bytes, at the most. */
const VALUE_BYTES_MAX = 9
/** Constructor and size of a long binary. */
const DATA_BYTES = 5
const SECTION_BYTES = 3
const SECTIONS = 4
/** Values of fixed size beside strings: durable, priority, ttl, and nulls. */
const FIXED_BYTES_MAX = 32
const UTF8_BYTES_MAX = 3
const HEAD_BYTES_FIRST = 256

/**
 * Writes heads of messages one after another, each into memory of its own. rhea makes an object of each value, and writes them into a kilobyte of zeroes: it was a seventh of what a gateway of small
 * batches left behind.
 */
export class MessageHeads {
  #scratch = Buffer.allocUnsafeSlow(HEAD_BYTES_FIRST)
  #at = 0

  /** All of a message but the bytes of its body. Numbers are whole and not negative: `count` a uint, any other a ulong. */
  encode(message: Message): Buffer {
    this.#reserve(boundOf(message))
    this.#at = 0
    const { durable, ttlMs, to, replyTo, correlationId, properties, body } = message
    if (durable === true || ttlMs !== undefined) this.#header(durable === true, ttlMs)
    if (to !== undefined || replyTo !== undefined || correlationId !== undefined) this.#properties(to, replyTo, correlationId)
    this.#applicationProperties(properties)
    this.#section(SECTION.data)
    this.#byte(BINARY_LONG)
    this.#uint32(body.length)
    return Buffer.copyBytesFrom(this.#scratch, 0, this.#at)
  }

  #header(durable: boolean, ttlMs: number | undefined): void {
    const from = this.#begin(SECTION.header)
    this.#byte(durable ? TRUE : FALSE)
    if (ttlMs !== undefined) {
      this.#byte(NULL)
      this.#uint(ttlMs)
    }
    this.#end(from, LIST, ttlMs === undefined ? 1 : 3)
  }

  #properties(to: string | undefined, replyTo: string | undefined, correlationId: string | undefined): void {
    const from = this.#begin(SECTION.properties)
    for (const value of [undefined, undefined, to, undefined, replyTo, correlationId]) {
      if (value === undefined) this.#byte(NULL)
      else this.#string(value)
    }
    this.#end(from, LIST, 6)
  }

  #applicationProperties(properties: Message['properties']): void {
    const from = this.#begin(SECTION.applicationProperties)
    let count = 0
    for (const name in properties) {
      const value = properties[name]
      if (value === undefined) continue
      count += 2
      this.#string(name)
      if (typeof value === 'string') this.#string(value)
      else if (name === PROPERTY.count) this.#uint(value)
      else this.#ulong(value)
    }
    this.#end(from, MAP, count)
  }

  #section(code: number): void {
    this.#byte(DESCRIBED)
    this.#byte(SMALL_ULONG)
    this.#byte(code)
  }

  /** Leaves room for the constructor of a short list or map; gives where that is. */
  #begin(code: number): number {
    this.#section(code)
    const from = this.#at
    this.#at += COMPOUND_BYTES.short
    return from
  }

  /** Part 1, 1.6.22 to 1.6.25: the size counts the count. */
  #end(from: number, { short, long }: typeof LIST | typeof MAP, count: number): void {
    const bytes = this.#at - from - COMPOUND_BYTES.short
    if (bytes + 1 <= SHORT_MAX) {
      this.#scratch[from] = short
      this.#scratch[from + 1] = bytes + 1
      this.#scratch[from + 2] = count
      return
    }
    this.#scratch.copyWithin(from + COMPOUND_BYTES.long, from + COMPOUND_BYTES.short, this.#at)
    this.#scratch[from] = long
    this.#scratch.writeUInt32BE(bytes + 4, from + 1)
    this.#scratch.writeUInt32BE(count, from + 5)
    this.#at += COMPOUND_BYTES.long - COMPOUND_BYTES.short
  }

  #string(text: string): void {
    const from = this.#at
    const bytes = this.#scratch.write(text, from + 2)
    if (bytes <= SHORT_MAX) {
      this.#scratch[from] = STRING.short
      this.#scratch[from + 1] = bytes
      this.#at = from + 2 + bytes
      return
    }
    this.#scratch.copyWithin(from + 5, from + 2, from + 2 + bytes)
    this.#scratch[from] = STRING.long
    this.#scratch.writeUInt32BE(bytes, from + 1)
    this.#at = from + 5 + bytes
  }

  #uint(value: number): void {
    this.#byte(UINT)
    this.#uint32(value)
  }

  #ulong(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, 'a number in a message is whole and not negative')
    this.#byte(ULONG)
    this.#uint32(Math.floor(value / 2 ** 32))
    this.#uint32(value % 2 ** 32)
  }

  #uint32(value: number): void {
    this.#at = this.#scratch.writeUInt32BE(value, this.#at)
  }

  #byte(value: number): void {
    this.#scratch[this.#at++] = value
  }

  #reserve(bytes: number): void {
    if (this.#scratch.length < bytes) this.#scratch = Buffer.allocUnsafeSlow(Math.max(bytes, this.#scratch.length * 2))
  }
}

/** What a head takes at the most. */
function boundOf({ properties, to = '', replyTo = '', correlationId = '' }: Message): number {
  let chars = to.length + replyTo.length + correlationId.length
  let values = 3
  for (const name in properties) {
    const value = properties[name]
    chars += name.length + (typeof value === 'string' ? value.length : 0)
    values += 2
  }
  return (
    SECTIONS * (SECTION_BYTES + COMPOUND_BYTES.long) +
    FIXED_BYTES_MAX +
    DATA_BYTES +
    values * VALUE_BYTES_MAX +
    chars * UTF8_BYTES_MAX
  )
}
