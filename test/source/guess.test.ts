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

test('lines of JSON', () => {
  expect(guess(Buffer.from('":1}\n{"a":1}\n{"a":2}\n{"a":3}\n{"a'))).toMatchObject({ decode: 'json', good: 3 })
})

test('noise, silence, and a line at the wrong speed are nothing', () => {
  const random = new SeededRandom(seedOfRun('guessing at noise'))
  const noise = Buffer.from(Array.from({ length: 20_000 }, () => random.between(0, 256)))
  expect(guess(noise)).toBeUndefined()
  expect(guess(Buffer.alloc(0))).toBeUndefined()
  expect(guess(heard('gps').map(byte => byte ^ 0x81) as Buffer)).toBeUndefined()
})
