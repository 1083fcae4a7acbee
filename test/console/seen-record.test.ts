import { expect, test } from 'vitest'
import { SeenRecord } from '../../src/console/page/seen-record.ts'

const seen = (value: string) =>
  new SeenRecord({ seq: 1, time_ms: 2, value_base64: Buffer.from(value).toString('base64'), headers: {} })

test.each([
  ['{"id":9007199254740993,"list":[1.50]}', '{\n  "id": 9007199254740993,\n  "list": [\n    1.50\n  ]\n}'],
  ['[1]', '[1]'],
  ['{"id":', '{"id":'],
  ['plain', 'plain'],
])('the page shows %s as the record has it: numbers of 64 bits were rounded', (value, shown) => {
  expect(seen(value).decoded).toBe(shown)
})
