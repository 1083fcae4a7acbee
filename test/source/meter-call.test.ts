import { expect, test } from 'vitest'
import { IEC62056_METER } from '../../hardware/simulators/iec62056-meter.ts'
import { agreedWith, callOf } from '../../src/source/meter-call.ts'

const heard = (text: string) => Buffer.from(text, 'latin1')

test.each([
  ['/ISk5MT174-0001\r\n', 19_200, '\x06050\r\n', 9_600],
  ['/ISk5MT174-0001\r\n', 2_400, '\x06030\r\n', 2_400],
  ['/LGZ4\\2ZMD3104.B32\r\n', 19_200, '\x06040\r\n', 4_800],
  // Noise, and the echo of the call, come before it.
  ['\xff\x00/?!\r\n/ACE0SMLCR 8\r\n', 19_200, '\x06000\r\n', 300],
])('%j at %i baud at the most: is acknowledged with %j and goes on at %i', (text, most, acknowledgement, baud) => {
  expect(agreedWith(heard(text), most)).toEqual({ acknowledgement: heard(acknowledgement), baud })
})

test.each([
  ['/GEC1\x01', undefined],
  ['/?!\r\n', undefined],
  ['', undefined],
  // Mode B names its speed by a letter; mode A has none.
  ['/ABBC meter\r\n', { acknowledgement: undefined, baud: 2_400 }],
  ['/ABB@meter\r\n', { acknowledgement: undefined, baud: undefined }],
])('%j: %j', (text, agreed) => {
  expect(agreedWith(heard(text), 19_200)).toEqual(agreed)
})

test('an identification that comes byte by byte is one when its line has ended', () => {
  const text = '/ISk5MT174-0001\r\n'
  const when = Array.from(
    { length: text.length + 1 },
    (_, length) => agreedWith(heard(text.slice(0, length)), 9_600) !== undefined,
  )
  expect(when.indexOf(true)).toBe(text.length)
})

test('the simulated meter answers its own address and the call of any, at the speed of the call; others it leaves to others', () => {
  for (const address of ['', '12345678'])
    expect(IEC62056_METER.answer?.(callOf(address))).toMatchObject({ reply: heard('/ELS5\\2MT174-0001\r\n'), baud: 300 })
  expect(IEC62056_METER.answer?.(callOf('87654321'))?.reply).toBeUndefined()
  expect(IEC62056_METER.answer?.(heard('/?!'))).toBeUndefined()
  expect(IEC62056_METER.answer?.(heard('\x06030\r\n'))).toMatchObject({ taken: 6, baud: 2_400 })
})
