import { type DeviceModel, swing } from './device-model.ts'
import { gpsSentences } from './gps.ts'
import { IEC62056_METER } from './iec62056-meter.ts'
import { compressorLine } from './line-device.ts'
import { crc, MODBUS_RTU, MODBUS_RTU_OVER_TCP, MODBUS_TCP, MODBUS_WEATHER } from './modbus-models.ts'
import { TOPIC } from './mqtt-simulator.ts'

const LINE: DeviceModel = {
  name: 'line',
  summary: "a compressor's controller: lines of comma-separated values",
  over: 'serial',
  say: second => [Buffer.from(compressorLine(second))],
  yaml: path => `    serial: { path: ${path}, baud: 9600 }\n    decode: { csv: [suction_bar, discharge_bar, oil_c] }\n`,
}

const GPS: DeviceModel = {
  name: 'gps',
  summary: 'a GPS receiver: NMEA 0183, GGA and RMC',
  over: 'serial',
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
  over: 'serial',
  say: () => AIS_SENTENCES.map(text => Buffer.from(text)),
  yaml: path => `    serial: { path: ${path}, baud: 38400 }\n    decode: nmea\n`,
}

const DSMR: DeviceModel = {
  name: 'dsmr',
  summary: 'a smart meter: DSMR 5 telegrams with checksum',
  over: 'serial',
  say: second => [telegram(second)],
  yaml: path =>
    `    serial: { path: ${path}, baud: 115200 }\n    frame: { telegram: dsmr }\n    decode: telegram\n    time: { field: time }\n`,
}

const SCALE: DeviceModel = {
  name: 'scale',
  summary: 'a balance that answers SI (MT-SICS) with the weight',
  over: 'serial',
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

const COLUMNS = '    decode: { csv: [suction_bar, discharge_bar, oil_c] }\n'

const LINE_TCP: DeviceModel = {
  ...LINE,
  name: 'line-tcp',
  summary: 'the same controller behind a serial server: its lines over TCP, to whoever connects',
  over: 'tcp',
  yaml: address => `    tcp: { connect: "${address}" }\n${COLUMNS}`,
}

const LINE_UNIX: DeviceModel = {
  ...LINE,
  name: 'line-unix',
  summary: 'the same lines from a program of this machine, over a Unix socket',
  over: 'unix',
  yaml: path => `    unix: { connect: ${path} }\n${COLUMNS}`,
}

const LINE_UDP: DeviceModel = {
  ...LINE,
  name: 'line-udp',
  summary: 'the same lines as datagrams, sent to a port that has to be listened on',
  over: 'udp',
  yaml: address => `    udp: { listen: "${address}" }\n${COLUMNS}`,
}

const readingOf = (second: number) =>
  Buffer.from(JSON.stringify({ power_w: Number(swing(second, 30, 1_200, 800).toFixed(1)), voltage_v: 230 }))

const HTTP: DeviceModel = {
  name: 'http',
  summary: 'a meter with a small web server: each GET is answered with JSON',
  over: 'http',
  say: second => [readingOf(second)],
  yaml: address => `    http: { url: "http://${address}/", every: 1s }\n    decode: json\n`,
}

const WEBHOOK: DeviceModel = {
  ...HTTP,
  name: 'webhook',
  summary: 'a meter that posts JSON, each reading until it is answered 200',
  over: 'webhook',
  yaml: address => `    webhook: { listen: "${address}" }\n    decode: json\n`,
}

const MQTT: DeviceModel = {
  ...HTTP,
  name: 'mqtt',
  summary: 'a meter that publishes JSON at QoS 1, with a small broker of its own',
  over: 'mqtt',
  yaml: address => `    mqtt: { url: "mqtt://${address}", topics: [${TOPIC}] }\n    decode: json\n`,
}

export const MODELS: readonly DeviceModel[] = [
  ...[LINE, GPS, AIS, DSMR, IEC62056_METER, SCALE, MODBUS_WEATHER, MODBUS_RTU, MODBUS_TCP, MODBUS_RTU_OVER_TCP],
  ...[LINE_TCP, LINE_UNIX, LINE_UDP, HTTP, WEBHOOK, MQTT],
]

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
