import { expect, test } from 'vitest'
import { MODELS } from '../../hardware/simulators/models.ts'
import { guess } from '../../src/source/guess.ts'
import { SeededRandom, seedOfRun } from '../support/random.ts'

/** What a device says in some seconds, listened to from the middle of a record. */
function heard(name: string, from = 10): Buffer {
  const model = MODELS.find(each => each.name === name)
  return Buffer.concat(Array.from({ length: 6 }, (_, second) => model?.say?.(second) ?? []).flat()).subarray(from, -5)
}

test.each([
  ['gps', { what: 'NMEA 0183', decode: 'nmea' }],
  ['ais', { what: 'NMEA 0183', decode: 'nmea' }],
  ['dsmr', { what: 'telegrams of a smart meter', frame: '{ telegram: dsmr }', decode: 'telegram' }],
  ['line', { what: 'lines of 3 values', decode: '{ csv: [value_1, value_2, value_3] }' }],
])('%s is told from what it says', (name, expected) => {
  expect(guess(heard(name))).toMatchObject(expected)
})

test.each([
  [
    '; and decimal commas',
    '0\r\n1,50;on\r\n1,75;on\r\n2,00;off\r\n2',
    '{ csv: [value_1, value_2], separator: ";", decimal: "," }',
    '{"value_1":1.50,"value_2":"on"}',
  ],
  ['tabs', '0\n7\t8.5\n7\t9\n7\t9\n7', '{ csv: [value_1, value_2], separator: "\\\\t" }', '{"value_1":7,"value_2":8.5}'],
])('lines of values with %s between', (_what, text, decode, sample) => {
  expect(guess(Buffer.from(text))).toMatchObject({ what: 'lines of 2 values', decode, sample })
})

test('lines of JSON', () => {
  expect(guess(Buffer.from('":1}\n{"a":1}\n{"a":2}\n{"a":3}\n{"a'))).toMatchObject({ decode: 'json', good: 3 })
})

test.each([
  [
    'STX and ETX',
    '\x02\x81\x90\xff\x03',
    'packets between STX and ETX of 3 bytes',
    '{ between: { start: "\\\\x02", end: "\\\\x03" } }',
  ],
  ['SLIP', '\xc0\x81\xdb\xdc\xff\xc0', 'SLIP packets of 3 bytes', '{ packets: slip }'],
  ['COBS', '\x03\x81\x90\x02\xff\x00', 'COBS packets of 4 bytes', '{ packets: cobs }'],
])('packets of %s, from the middle of one on', (_name, packet, what, frame) => {
  const bytes = Buffer.from(packet.repeat(8), 'latin1').subarray(2)
  expect(guess(bytes)).toMatchObject({ what, frame, decode: 'raw' })
})

test('lines of text that are nothing else', () => {
  const text = 'g: 12.3 kg\r\nweighing: 12.4 kg\r\nweighing: 12.4 kg\r\nweighing: 12.5 kg\r\nweig'
  expect(guess(Buffer.from(text))).toMatchObject({ what: 'lines of text', decode: 'raw', sample: 'weighing: 12.4 kg' })
})

test('noise, silence, and a line at the wrong speed are nothing', () => {
  const random = new SeededRandom(seedOfRun('guessing at noise'))
  const noise = Buffer.from(Array.from({ length: 20_000 }, () => random.between(0, 256)))
  expect(guess(noise)).toBeUndefined()
  expect(guess(Buffer.alloc(0))).toBeUndefined()
  expect(guess(heard('gps').map(byte => byte ^ 0x81) as Buffer)).toBeUndefined()
})
