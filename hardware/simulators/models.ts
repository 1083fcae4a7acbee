import { type DeviceModel, swing } from './device-model.ts'
import { gpsSentences } from './gps.ts'
import { compressorLine } from './line-device.ts'
import { registerWord } from './modbus-meter.ts'

const LINE: DeviceModel = {
  name: 'line',
  summary: "a compressor's controller: lines of comma-separated values",
  say: second => [Buffer.from(compressorLine(second))],
  yaml: path => `    serial: { path: ${path}, baud: 9600 }\n    decode: { csv: [suction_bar, discharge_bar, oil_c] }\n`,
}

const GPS: DeviceModel = {
  name: 'gps',
  summary: 'a GPS receiver: NMEA 0183, GGA and RMC',
  say: second => gpsSentences(second).map(text => Buffer.from(text)),
  yaml: path => `    serial: { path: ${path}, baud: 4800 }\n    decode: nmea\n    time: { field: [date, time] }\n`,
}

/** Sentences of the samples of gpsd: a position, a voyage in two sentences, a class B position. */
const AIS_SENTENCES = [
  '!AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0*5C\r\n',
  '!AIVDM,2,1,3,B,55P5TL01VIaAL@7WKO@mBplU@<PDhh000000001S;AJ::4A80?4i@E53,0*3E\r\n',
  '!AIVDM,2,2,3,B,1@0000000000000,2*55\r\n',
  '!AIVDM,1,1,,A,B52K>;h00Fc>jpUlNV@ikwpUoP06,0*4C\r\n',
]

const AIS: DeviceModel = {
  name: 'ais',
  summary: 'an AIS receiver: NMEA 0183, messages in one and in two sentences',
  say: () => AIS_SENTENCES.map(text => Buffer.from(text)),
  yaml: path => `    serial: { path: ${path}, baud: 38400 }\n    decode: nmea\n`,
}

const DSMR: DeviceModel = {
  name: 'dsmr',
  summary: 'a smart meter: DSMR 5 telegrams with checksum',
  say: second => [telegram(second)],
  yaml: path =>
    `    serial: { path: ${path}, baud: 115200 }\n    frame: { telegram: dsmr }\n    decode: telegram\n    time: { field: time }\n`,
}

const SCALE: DeviceModel = {
  name: 'scale',
  summary: 'a balance that answers SI (MT-SICS) with the weight',
  answer: request => {
    const end = request.indexOf('\n')
    if (end < 0) return undefined
    const asked = request.toString('latin1', 0, end).trim()
    const weight = swing(performance.now() / 1_000, 20, 50, 25)
      .toFixed(2)
      .padStart(10)
    return { reply: Buffer.from(asked === 'SI' || asked === 'S' ? `S S ${weight} g\r\n` : 'ES\r\n'), taken: end + 1 }
  },
  yaml: path =>
    `    serial: { path: ${path}, baud: 9600, ask: { requests: ["SI\\\\r\\\\n"], every: 1s } }\n    decode: { words: { names: [answer, state, weight, unit] } }\n`,
}

const REQUEST_BYTES = 8

const MODBUS_RTU: DeviceModel = {
  name: 'modbus-rtu',
  summary: 'an energy meter (Eastron SDM120), unit 1, on a line with Modbus RTU',
  answer: request => {
    if (request.length < REQUEST_BYTES) return undefined
    const frame = request.subarray(0, REQUEST_BYTES)
    // As a device does: what is not a whole request is forgotten byte by byte, until one fits.
    if (crc16(frame.subarray(0, 6)) !== frame.readUInt16LE(6)) return { reply: undefined, taken: 1 }
    const reply = frame[0] === 1 ? modbusReply(frame.subarray(0, 6)) : undefined
    return { reply: reply && withCrc(reply), taken: REQUEST_BYTES }
  },
  yaml: path => `    modbus: { rtu: { path: ${path}, baud: 9600 }, unit: 1, device: eastron-sdm120, every: 1s }\n`,
}

const MBAP_BYTES = 7

const MODBUS_TCP: DeviceModel = {
  name: 'modbus-tcp',
  summary: 'an energy meter (Eastron SDM120), unit 1, on a TCP port with Modbus TCP',
  answer: request => {
    if (request.length < MBAP_BYTES) return undefined
    const taken = 6 + request.readUInt16BE(4)
    if (request.length < taken) return undefined
    if (request[6] !== 1 || taken < MBAP_BYTES + 5) return { reply: undefined, taken }
    const reply = modbusReply(request.subarray(6, taken))
    const head = Buffer.from(request.subarray(0, MBAP_BYTES - 1))
    head.writeUInt16BE(reply.length, 4)
    return { reply: Buffer.concat([head, reply]), taken }
  },
  yaml: address => `    modbus: { tcp: "${address}", unit: 1, device: eastron-sdm120, every: 1s }\n`,
}

export const MODELS: readonly DeviceModel[] = [LINE, GPS, AIS, DSMR, SCALE, MODBUS_RTU, MODBUS_TCP]

/** Unit, function, address and count → unit, function, bytes, registers; an exception for what an SDM120 does not know. */
function modbusReply(request: Buffer): Buffer {
  const [unit = 0, code = 0] = request
  const [address, count] = [request.readUInt16BE(2), request.readUInt16BE(4)]
  if (code !== 4 || count < 1 || count > 125) return Buffer.from([unit, code | 0x80, code === 4 ? 3 : 1])
  const reply = Buffer.alloc(3 + 2 * count)
  reply.set([unit, code, 2 * count])
  for (let at = 0; at < count; at++) reply.writeUInt16BE(registerWord(address + at, performance.now() / 1_000), 3 + 2 * at)
  return reply
}

function withCrc(reply: Buffer): Buffer {
  const tail = Buffer.alloc(2)
  tail.writeUInt16LE(crc16(reply))
  return Buffer.concat([reply, tail])
}

function telegram(second: number): Buffer {
  const stamp = new Date(Date.now() + 3_600_000).toISOString().slice(2, 19).replace(/[-T:]/g, '')
  const body = [
    '/XMX5LGBBFG10',
    '',
    '1-3:0.2.8(50)',
    `0-0:1.0.0(${stamp}W)`,
    `1-0:1.8.1(${(1_234.5 + second / 3_600).toFixed(3).padStart(10, '0')}*kWh)`,
    `1-0:1.7.0(${swing(second, 30, 1.2, 0.8).toFixed(3).padStart(6, '0')}*kW)`,
    `1-0:32.7.0(${swing(second, 60, 230, 2).toFixed(1)}*V)`,
    '!',
  ].join('\r\n')
  const sum = crc(Buffer.from(body), 0).toString(16).toUpperCase().padStart(4, '0')
  return Buffer.from(`${body}${sum}\r\n`)
}

/** CRC-16/MODBUS. */
function crc16(bytes: Uint8Array): number {
  return crc(bytes, 0xffff)
}

/** Polynomial 0x8005, least significant bit first: CRC-16/ARC begins with 0, that of Modbus with 0xFFFF. */
function crc(bytes: Uint8Array, first: number): number {
  let sum = first
  for (const byte of bytes) {
    sum ^= byte
    for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0xa001 : sum >>> 1
  }
  return sum
}
