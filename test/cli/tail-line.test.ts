import { expect, test } from 'vitest'
import { jsonLine } from '../../src/cli/tail-line.ts'

const lineOf = (value: string) =>
  jsonLine({
    ...{ gateway: 'gw', source: 'a', seq: 1, time_ms: 2, headers: { seq: '1' } },
    value_base64: Buffer.from(value).toString('base64'),
  })

test.each([
  ['{"id":9007199254740993,"at":1764400000000000001}', '{"id":9007199254740993,"at":1764400000000000001}'],
  ['[18446744073709551615, 1e400]', '[18446744073709551615,1e400]'],
  ['9007199254740993', '"9007199254740993"'],
  ['7', '"7"'],
  ['null', 'null'],
  ['{', '"{"'],
])('tail --json gives %s with every digit: numbers that a double does not hold were rounded', (value, expected) => {
  expect(lineOf(value)).toBe(`{"gateway":"gw","source":"a","seq":1,"time_ms":2,"value":${expected}}`)
})
