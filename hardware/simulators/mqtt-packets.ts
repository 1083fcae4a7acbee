/*
  MQTT 3.1.1 and 5 (OASIS, "Control packets"), as much of them as a broker needs that publishes at QoS 1 to whoever subscribes:
    packet      = type and flags (1 byte), length of the rest (1 to 4 bytes, 7 bits each, low first), rest
    CONNECT 1   name of the protocol (length, text), level: 4 or 5, …      CONNACK 2     session present, 0 [, no properties]
    PUBLISH 3   topic (length, text), identifier [, no properties], value  PUBACK 4      identifier …
    SUBSCRIBE 8 identifier [, properties], (filter (length, text), options)*     SUBACK 9   identifier [, no properties], QoS of each
    PINGREQ 12, PINGRESP 13
  What stands in brackets is of level 5.
*/
export const TYPE = { connect: 1, puback: 4, subscribe: 8, pingreq: 12 } as const

const LENGTH_BYTES_MAX = 4
const NO_PROPERTIES = 0
const QOS_1 = 1

export interface MqttPacket {
  readonly type: number
  readonly body: Buffer
}

/** The first packet, and how many bytes it takes; undefined while more has to come. */
export function readPacket(bytes: Buffer): { readonly packet: MqttPacket; readonly taken: number } | undefined {
  const length = readLength(bytes, 1)
  if (!length || bytes.length < length.end + length.value) return undefined
  const taken = length.end + length.value
  return { packet: { type: (bytes[0] ?? 0) >> 4, body: bytes.subarray(length.end, taken) }, taken }
}

/** 4: 3.1.1; 5. */
export function levelOf(connect: Buffer): number {
  return connect[2 + connect.readUInt16BE(0)] ?? 0
}

export function identifierOf(body: Buffer): number {
  return body.readUInt16BE(0)
}

export function connack(level: number, sessionPresent: boolean): Buffer {
  return packet(0x20, [sessionPresent ? 1 : 0, 0, ...propertiesOf(level)])
}

export function suback(level: number, subscribe: Buffer): Buffer {
  let at = 2
  if (level === 5) {
    const properties = readLength(subscribe, at)
    at = (properties?.end ?? at) + (properties?.value ?? 0)
  }
  let filters = 0
  for (; at + 2 <= subscribe.length; filters++) at += 3 + subscribe.readUInt16BE(at)
  return packet(0x90, [...subscribe.subarray(0, 2), ...propertiesOf(level), ...Array.from({ length: filters }, () => QOS_1)])
}

export function pingresp(): Buffer {
  return packet(0xd0, [])
}

export function publish(level: number, topic: string, identifier: number, value: Buffer, isRepeat: boolean): Buffer {
  const name = Buffer.from(topic)
  const numbers = [identifier >> 8, identifier & 0xff, ...propertiesOf(level)]
  return packet(isRepeat ? 0x3a : 0x32, [name.length >> 8, name.length & 0xff, ...name, ...numbers, ...value])
}

function propertiesOf(level: number): number[] {
  return level === 5 ? [NO_PROPERTIES] : []
}

function packet(first: number, body: readonly number[]): Buffer {
  const length: number[] = []
  for (let rest = body.length; length.length === 0 || rest > 0; rest >>= 7) length.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
  return Buffer.from([first, ...length, ...body])
}

function readLength(bytes: Buffer, from: number): { readonly value: number; readonly end: number } | undefined {
  let value = 0
  for (let at = from; at < from + LENGTH_BYTES_MAX && at < bytes.length; at++) {
    const byte = bytes[at] ?? 0
    value |= (byte & 0x7f) << (7 * (at - from))
    if ((byte & 0x80) === 0) return { value, end: at + 1 }
  }
  return undefined
}
