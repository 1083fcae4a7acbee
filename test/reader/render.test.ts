import { describe, expect, test } from 'vitest'
import { LineWriter } from '../../src/reader/render/line-writer.ts'
import { csvRenderer, ndjsonRenderer, type Renderer, rawRenderer } from '../../src/reader/render/renderer.ts'
import { visitRecords } from '../../src/record/batch-reader.ts'
import { BatchWriter } from '../../src/record/batch-writer.ts'
import type { RecordHeader } from '../../src/record/record.ts'

const SOURCE = { gateway: 'plant-a-1', source: 'meter-1' }
const TIME_MS = Date.UTC(2026, 0, 2, 3, 4, 5, 678)

async function rendered(renderer: Renderer, values: readonly (string | Buffer)[], headers?: RecordHeader[]): Promise<string> {
  const batch = new BatchWriter()
  batch.begin({ key: 'plant-a-1/meter-1', producerId: 1, epoch: 0, epochStart: 0, sequence: 0 })
  for (const value of values) {
    const bytes = Buffer.from(value)
    batch.append(TIME_MS, bytes, 0, bytes.length, headers)
  }
  const writer = new LineWriter()
  if (renderer.head) writer.text(renderer.head)
  visitRecords(batch.finish('zstd').bytes, view => renderer.record(view, writer))
  return Buffer.concat(writer.take(0)).toString('utf8')
}

describe('NDJSON', () => {
  test('copies JSON as it is, digits and all', async () => {
    const json = '{"kwh":12345678901234567890.10,"ok":true}'
    expect(await rendered(ndjsonRenderer(SOURCE, { json: true, columns: [] }), [json])).toBe(
      `{"gateway":"plant-a-1","source":"meter-1","seq":0,"time_ms":${TIME_MS},"value":${json}}\n`,
    )
  })

  test('gives text as a string and other bytes as base64', async () => {
    const lines = await rendered(ndjsonRenderer(SOURCE, { json: false, columns: [] }), [
      'a "b"\n\u0007é',
      Buffer.from([0xff, 0x00]),
    ])
    const [text, bytes] = lines
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    expect(text.value).toBe('a "b"\n\u0007é')
    expect(bytes.value_base64).toBe('/wA=')
    expect(bytes.value).toBeUndefined()
  })

  test('keeps a record to one line when its JSON has line breaks', async () => {
    const lines = await rendered(ndjsonRenderer(SOURCE, { json: true, columns: [] }), ['{\n"a": 1}'])
    expect(JSON.parse(lines).value).toEqual({ a: 1 })
    expect(lines.trim().includes('\n')).toBe(false)
  })

  test('keeps the digits of numbers in JSON that is no object, or stands on several lines', async () => {
    const json = ['[12345678901234567890,1.10]', '12345678901234567890', '1e400', '{"kwh":\r\n9007199254740993}']
    const lines = await rendered(ndjsonRenderer(SOURCE, { json: true, columns: [] }), json)
    const values = lines.split('\n').flatMap(line => /"value":(.*)\}$/.exec(line)?.[1] ?? [])
    expect(values).toEqual([...json.slice(0, 3), '{"kwh":  9007199254740993}'])
  })

  test('gives what could not be decoded as text', async () => {
    const headers = [{ key: 'decode_error', value: Buffer.from('no number') }]
    const lines = await rendered(ndjsonRenderer(SOURCE, { json: true, columns: [] }), ['{"half":'], headers)
    expect(JSON.parse(lines).value).toBe('{"half":')
  })

  test('of what was never decoded only JSON is copied: braces alone do not make it', async () => {
    const shape = { json: true, columns: [], unchecked: true as const }
    const lines = await rendered(ndjsonRenderer(SOURCE, shape), ['{not json}', '{"kwh":12345678901234567890.10}'])
    const [text = '', json = ''] = lines.split('\n')
    expect(JSON.parse(text).value).toBe('{not json}')
    expect(json).toContain('"value":{"kwh":12345678901234567890.10}}')
  })

  test('survives values larger than a chunk', async () => {
    const large = 'x'.repeat(700_000)
    const lines = await rendered(ndjsonRenderer(SOURCE, { json: false, columns: [] }), [large, 'small'])
    expect(
      lines
        .trim()
        .split('\n')
        .map(line => JSON.parse(line).value.length),
    ).toEqual([700_000, 5])
  })
})

describe('CSV', () => {
  test('has the columns of decode, quoted where needed', async () => {
    const renderer = csvRenderer(SOURCE, { json: true, columns: ['a', 'b'] }, { names: ['a', 'b'], hasWhole: false })
    expect(await rendered(renderer, ['{"a":1.5,"b":"x,\\"y\\""}', '{"b":2}', 'broken'])).toBe(
      [
        'gateway,source,seq,time,a,b',
        'plant-a-1,meter-1,0,2026-01-02T03:04:05.678Z,1.5,"x,""y"""',
        'plant-a-1,meter-1,1,2026-01-02T03:04:05.678Z,,2',
        'plant-a-1,meter-1,2,2026-01-02T03:04:05.678Z,,',
        '',
      ].join('\n'),
    )
  })

  test('has the fields that are asked for, also those within others', async () => {
    const renderer = csvRenderer(
      SOURCE,
      { json: true, columns: ['a'] },
      { names: ['motor.temp_c', 'a', 'gone'], hasWhole: false },
    )
    expect((await rendered(renderer, ['{"a":1,"motor":{"temp_c":60.5}}'])).split('\n').slice(0, 2)).toEqual([
      'gateway,source,seq,time,motor.temp_c,a,gone',
      'plant-a-1,meter-1,0,2026-01-02T03:04:05.678Z,60.5,1,',
    ])
  })

  test('has no two columns of one name', async () => {
    const renderer = csvRenderer(
      SOURCE,
      { json: true, columns: ['source', 'time'] },
      { names: ['source', 'time'], hasWhole: false },
    )
    expect((await rendered(renderer, ['{"source":"press-1","time":"noon"}'])).split('\n').slice(0, 2)).toEqual([
      'gateway,source,seq,time,value.source,value.time',
      'plant-a-1,meter-1,0,2026-01-02T03:04:05.678Z,press-1,noon',
    ])
  })

  test('has whole what has no known fields, beside the columns of others', async () => {
    const columns = { names: ['a', 'value'], hasWhole: true }
    const known = csvRenderer(SOURCE, { json: true, columns: ['a', 'value'] }, columns)
    expect(await rendered(known, ['{"a":1,"value":2}'])).toBe(
      'gateway,source,seq,time,a,value.value,value\nplant-a-1,meter-1,0,2026-01-02T03:04:05.678Z,1,2,\n',
    )
    const unknown = csvRenderer(SOURCE, { json: true, columns: [] }, columns)
    expect((await rendered(unknown, ['{"a":1,"b":2}'])).split('\n')[1]).toBe(
      'plant-a-1,meter-1,0,2026-01-02T03:04:05.678Z,1,,"{""a"":1,""b"":2}"',
    )
  })

  test('refuses bytes that it could hold only changed', async () => {
    const renderer = csvRenderer(SOURCE, { json: false, columns: [] }, { names: [], hasWhole: true })
    await expect(rendered(renderer, ['good', Buffer.from([0x31, 0xff])])).rejects.toThrow('holds bytes that are no UTF-8')
  })

  test('has one column for values that have none', async () => {
    expect(await rendered(csvRenderer(SOURCE, { json: false, columns: [] }, { names: [], hasWhole: true }), ['a,b'])).toContain(
      ',value\n',
    )
  })
})

test('raw refuses a value that would become two lines', async () => {
  expect(await rendered(rawRenderer(), ['one', 'two'])).toBe('one\ntwo\n')
  await expect(rendered(rawRenderer(), ['one\ntwo'])).rejects.toThrow('line break')
})

test('CSV keeps the digits of numbers, also within fields, and what only looks like one in a text', async () => {
  const shape = { json: true, columns: ['a', 'b'] }
  const values = [
    '{"a":12345678901234567890,"b":{"c":[9007199254740993,1.5],"d":"9007199254740993"}}',
    '{"a":1e400,"b":"say \\"12345678901234567890\\""}',
    '{"a":0.30000000000000004,"b":-1.0000000000000000001}',
  ]
  const lines = await rendered(csvRenderer(SOURCE, shape, { names: ['a', 'b'], hasWhole: false }), values)
  const cells = lines.split('\n').map(line => line.split(',').slice(4).join(','))
  expect(cells).toEqual([
    'a,b',
    '12345678901234567890,"{""c"":[9007199254740993,1.5],""d"":""9007199254740993""}"',
    '1e400,"say ""12345678901234567890"""',
    '0.30000000000000004,-1.0000000000000000001',
    '',
  ])
})
