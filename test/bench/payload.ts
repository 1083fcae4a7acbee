import { writeFileSync } from 'node:fs'
import { PAYLOAD_BYTES_MAX, seedOf, writePayload } from '../../src/source/generator-payload.ts'
import { SeededRandom } from '../support/random.ts'

/** Different records in the file: more than a batch holds, so that compression finds no whole record twice. */
const LINES = 50_000
/** Fewer of what is large. */
const FILE_BYTES_MAX = 20_000_000

/** What devices send: a meter's JSON of about 100 bytes, which all contenders are given; and what others send. */
export const PAYLOAD_KINDS = ['meter', 'modbus', 'nmea', 'json-500', 'json-2000', 'incompressible'] as const
export type PayloadKind = (typeof PAYLOAD_KINDS)[number]

/** Writes the file of records that every contender sends. Gives their mean size in bytes. */
export function writePayloadFile(path: string, kind: PayloadKind = 'meter'): number {
  return writeLines(path, LINE_OF[kind]())
}

/** The same of records of so many bytes: numbers as text, as a list of readings. Gives their size, which is that or hardly more. */
export function writePayloadOfSize(path: string, bytes: number): number {
  const random = new SeededRandom(6)
  return writeLines(path, () => {
    let text = ''
    while (text.length < bytes) text += `${(random.next() * 400).toFixed(3)};`
    return text.slice(0, bytes)
  })
}

function writeLines(path: string, line: (number: number) => string): number {
  const lines: string[] = []
  let bytes = 0
  for (let number = 0; number < LINES && bytes < FILE_BYTES_MAX; number++) {
    const text = line(number)
    bytes += text.length
    lines.push(text)
  }
  writeFileSync(path, lines.join('\n'), 'latin1')
  return bytes / lines.length
}

const LINE_OF: Record<PayloadKind, () => (number: number) => string> = {
  meter: () => {
    const scratch = Buffer.alloc(PAYLOAD_BYTES_MAX)
    const seed = seedOf(1, 'bench')
    return number => scratch.toString('latin1', 0, writePayload('meter', seed, number, 0, scratch, 0))
  },
  modbus: () => {
    const random = new SeededRandom(2)
    let energy = 100_000
    return () => {
      energy += random.next()
      const voltage = (230 + random.next() * 4).toFixed(1)
      const current = (5 + random.next()).toFixed(3)
      return `{"voltage_v":${voltage},"current_a":${current},"power_w":${(Number(voltage) * Number(current)).toFixed(1)},"energy_kwh":${energy.toFixed(2)}}`
    }
  },
  nmea: () => {
    const random = new SeededRandom(3)
    let [lat, lon] = [5_321.6802, 630.3372]
    return number => {
      lat += (random.next() - 0.5) / 100
      lon += (random.next() - 0.5) / 100
      const time = `${String(Math.floor(number / 3_600) % 24).padStart(2, '0')}${String(Math.floor(number / 60) % 60).padStart(2, '0')}${String(number % 60).padStart(2, '0')}.00`
      const body = `GPGGA,${time},${lat.toFixed(4)},N,${lon.toFixed(4).padStart(10, '0')},W,1,0${4 + (number % 6)},1.${number % 10},61.7,M,55.2,M,,`
      const sum = Buffer.from(body).reduce((xor, byte) => xor ^ byte, 0)
      return `$${body}*${sum.toString(16).toUpperCase().padStart(2, '0')}`
    }
  },
  'json-500': () => fieldsOf(500),
  'json-2000': () => fieldsOf(2_000),
  incompressible: () => {
    const random = new SeededRandom(4)
    return () => Array.from({ length: 100 }, () => String.fromCharCode(33 + random.between(0, 94))).join('')
  },
}

/** A machine's report with many fields, some of which hardly change. */
function fieldsOf(bytes: number): (number: number) => string {
  const random = new SeededRandom(5)
  return number => {
    let text = `{"n":${number},"state":"running"`
    for (let field = 0; text.length < bytes - 1; field++) text += `,"axis_${field}_mm":${(random.next() * 400).toFixed(3)}`
    return `${text}}`
  }
}
