import { type DeviceAnswer, type DeviceModel, swing } from './device-model.ts'
import { registerWord } from './modbus-meter.ts'

const REQUEST_BYTES = 8
const MBAP_BYTES = 7
const READ_HOLDING = 3
const READ_INPUT = 4
const REGISTERS_MAX = 125

/** What a device has in its registers, and by which function they are read. */
interface Registers {
  readonly code: typeof READ_HOLDING | typeof READ_INPUT
  word(address: number, second: number): number
}

const METER: Registers = { code: READ_INPUT, word: registerWord }

/** Holding registers 500 to 513 of a CWT-UWD weather station. */
const WEATHER: Registers = {
  code: READ_HOLDING,
  word: (address, second) => {
    const degrees = Math.round(swing(second, 300, 180, 170))
    const light = Math.round(swing(second, 120, 70_000, 20_000))
    const words = [
      Math.round(swing(second, 20, 450, 300)),
      Math.round(swing(second, 20, 3, 1)),
      Math.round(degrees / 45) % 8,
      degrees,
      Math.round(swing(second, 90, 612, 100)),
      Math.round(swing(second, 600, -15, 60)) & 0xffff,
      438,
      9,
      17,
      1_013,
      light >>> 16,
      light & 0xffff,
      Math.round(light / 100),
      12,
    ]
    return words[address - 500] ?? 0
  },
}

export const MODBUS_RTU: DeviceModel = {
  name: 'modbus-rtu',
  summary: 'an energy meter (Eastron SDM120), unit 1, on a line with Modbus RTU',
  over: 'serial',
  answer: request => answerRtu(METER, request),
  yaml: path => `    modbus: { rtu: { path: ${path}, baud: 9600 }, unit: 1, device: eastron-sdm120, every: 1s }\n`,
}

export const MODBUS_WEATHER: DeviceModel = {
  name: 'weather',
  summary: 'a weather station (ComWinTop CWT-UWD), unit 1, on a line with Modbus RTU',
  over: 'serial',
  answer: request => answerRtu(WEATHER, request),
  yaml: path => `    modbus: { rtu: { path: ${path}, baud: 4800 }, unit: 1, device: comwintop-cwt-uwd, every: 1s }\n`,
}

export const MODBUS_TCP: DeviceModel = {
  name: 'modbus-tcp',
  summary: 'an energy meter (Eastron SDM120), unit 1, on a TCP port with Modbus TCP',
  over: 'tcp',
  answer: request => {
    if (request.length < MBAP_BYTES) return undefined
    const taken = 6 + request.readUInt16BE(4)
    if (request.length < taken) return undefined
    if (request[6] !== 1 || taken < MBAP_BYTES + 5) return { reply: undefined, taken }
    const reply = modbusReply(METER, request.subarray(6, taken))
    const head = Buffer.from(request.subarray(0, MBAP_BYTES - 1))
    head.writeUInt16BE(reply.length, 4)
    return { reply: Buffer.concat([head, reply]), taken }
  },
  yaml: address => `    modbus: { tcp: "${address}", unit: 1, device: eastron-sdm120, every: 1s }\n`,
}

export const MODBUS_RTU_OVER_TCP: DeviceModel = {
  ...MODBUS_RTU,
  name: 'rtu-over-tcp',
  summary: 'the same meter behind a serial server that passes on Modbus RTU as it is',
  over: 'tcp',
  yaml: address => `    modbus: { rtu_over_tcp: "${address}", unit: 1, device: eastron-sdm120, every: 1s }\n`,
}

function answerRtu(registers: Registers, request: Buffer): DeviceAnswer | undefined {
  if (request.length < REQUEST_BYTES) return undefined
  const frame = request.subarray(0, REQUEST_BYTES)
  // As a device does: what is not a whole request is forgotten byte by byte, until one fits.
  if (crc(frame.subarray(0, 6), 0xffff) !== frame.readUInt16LE(6)) return { reply: undefined, taken: 1 }
  const reply = frame[0] === 1 ? modbusReply(registers, frame.subarray(0, 6)) : undefined
  return { reply: reply && withCrc(reply), taken: REQUEST_BYTES }
}

/** Unit, function, address and count → unit, function, bytes, registers; an exception for what the device does not know. */
function modbusReply({ code: known, word }: Registers, request: Buffer): Buffer {
  const [unit = 0, code = 0] = request
  const [address, count] = [request.readUInt16BE(2), request.readUInt16BE(4)]
  if (code !== known || count < 1 || count > REGISTERS_MAX) return Buffer.from([unit, code | 0x80, code === known ? 3 : 1])
  const reply = Buffer.alloc(3 + 2 * count)
  reply.set([unit, code, 2 * count])
  for (let at = 0; at < count; at++) reply.writeUInt16BE(word(address + at, performance.now() / 1_000), 3 + 2 * at)
  return reply
}

function withCrc(reply: Buffer): Buffer {
  const tail = Buffer.alloc(2)
  tail.writeUInt16LE(crc(reply, 0xffff))
  return Buffer.concat([reply, tail])
}

/** Polynomial 0x8005, least significant bit first: CRC-16/ARC begins with 0, that of Modbus with 0xFFFF. */
export function crc(bytes: Uint8Array, first: number): number {
  let sum = first
  for (const byte of bytes) {
    sum ^= byte
    for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0xa001 : sum >>> 1
  }
  return sum
}
