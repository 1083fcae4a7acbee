import { expect, test } from 'vitest'
import { messageOf } from '../../src/runtime/errors.ts'

test('whatever was thrown has a text that a person can read', () => {
  expect(messageOf(new Error('gone'))).toBe('gone')
  expect(messageOf('gone')).toBe('gone')
  // What modbus-serial gives where nothing answered: no Error, but with a message.
  expect(messageOf({ name: 'TransactionTimedOutError', message: 'Timed out', errno: 'ETIMEDOUT' })).toBe('Timed out')
  expect(messageOf({ message: 7 })).toBe('[object Object]')
  expect(messageOf(null)).toBe('null')
  expect(messageOf(undefined)).toBe('undefined')
})
