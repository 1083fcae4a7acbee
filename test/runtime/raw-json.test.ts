import { expect, test } from 'vitest'
import { parseExactly, WrittenNumber } from '../../src/runtime/raw-json.ts'

test('numbers that a double does not hold stay as they were written, and all others are numbers', () => {
  const json =
    '{"id":12345678901234567890,"far":1e400,"list":[9007199254740993,1.5],"t":21.299999999999997,"text":"12345678901234567890"}'
  const parsed = parseExactly(json) as { id: unknown; t: unknown; list: unknown[] }
  expect(JSON.stringify(parsed)).toBe(json)
  expect(parsed.id).toBeInstanceOf(WrittenNumber)
  expect(`${parsed.id}`).toBe('12345678901234567890')
  expect(parsed.t).toBe(21.299999999999997)
  expect(parsed.list[1]).toBe(1.5)
})

test('what looks like a mark in a text is text', () => {
  const json = '{"id":12345678901234567890,"text":"\\u0000number 5"}'
  expect(JSON.stringify(parseExactly(json))).toBe(json)
})
