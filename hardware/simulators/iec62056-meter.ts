import { type DeviceAnswer, type DeviceModel, swing } from './device-model.ts'

/*
  The meter's side of IEC 62056-21, mode C, data readout (6.4):
    "/?" [address] "!" CR LF     is answered with the identification, at 300 baud
    ACK "0" speed "0" CR LF      is answered with STX data "!" CR LF ETX BCC, at the speed that was asked for
*/
const ADDRESS = '12345678'
const CALL = /^\/\?([0-9A-Za-z ]{0,32})!\r\n$/
const ACK = '\x06'
const OPTION = /^0([0-5])0\r\n$/
const IDENTIFICATION = '/ELS5\\2MT174-0001\r\n'
/** By the digit in the acknowledgement; the meter offers the last. */
const SPEEDS = [300, 600, 1_200, 2_400, 4_800, 9_600]
const FIRST_BAUD = 300
const REACTION_MS = 200
/** Six characters of ten bits at 300 baud: so long the acknowledgement would be on the line. */
const ACKNOWLEDGEMENT_MS = 200
const STX = 0x02
const ETX = 0x03

export const IEC62056_METER: DeviceModel = {
  name: 'iec62056',
  summary: 'an electricity meter with an optical port: IEC 62056-21, mode C, from 300 to 9600 baud',
  over: 'serial',
  baud: FIRST_BAUD,
  answer,
  yaml: path => `    serial: { path: ${path}, device: iec62056-meter }\n`,
}

function answer(request: Buffer): DeviceAnswer | undefined {
  const end = request.indexOf('\n')
  if (end < 0) return undefined
  const taken = end + 1
  const line = request.toString('latin1', 0, taken)
  const option = line.startsWith(ACK) ? OPTION.exec(line.slice(ACK.length))?.[1] : undefined
  const speed = option === undefined ? undefined : SPEEDS[Number(option)]
  if (speed !== undefined)
    return { reply: readout(performance.now() / 1_000), taken, afterMs: ACKNOWLEDGEMENT_MS + REACTION_MS, baud: speed }
  // What comes before it on the line, such as zeros that wake a meter up, is no part of the call.
  const called = CALL.exec(line.slice(Math.max(0, line.lastIndexOf('/?'))))?.[1]
  const isMeant = called === '' || called === ADDRESS
  return { reply: isMeant ? Buffer.from(IDENTIFICATION) : undefined, taken, afterMs: REACTION_MS, baud: FIRST_BAUD }
}

function readout(second: number): Buffer {
  const lines = [
    'F.F(00000000)',
    `0.0.0(${ADDRESS})`,
    `1.8.0(${(1_234.5 + second / 3_600).toFixed(3).padStart(10, '0')}*kWh)`,
    '2.8.0(000000.000*kWh)',
    `32.7.0(${swing(second, 60, 230, 2).toFixed(1)}*V)`,
    '!',
  ]
  const data = Buffer.from(`${lines.join('\r\n')}\r\n`)
  const checked = Buffer.concat([data, Buffer.from([ETX])])
  const sum = checked.reduce((all, byte) => all ^ byte, 0)
  return Buffer.concat([Buffer.from([STX]), checked, Buffer.from([sum])])
}
