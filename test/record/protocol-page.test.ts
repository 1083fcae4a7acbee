import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { BatchWriter } from '../../src/record/batch-writer.ts'

test('the batch in docs/protocol.md is the one that is written', () => {
  const page = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8')
  const hex = /```hex\n([^`]+)```/.exec(page)?.[1] ?? ''
  const writer = new BatchWriter()
  writer.begin({ key: 'plant-a-1/pump', producerId: 1004, epoch: 0, epochStart: 0, sequence: 99 })
  for (const [timeMs, text] of [
    [1_767_225_600_000, '21.5'],
    [1_767_225_600_250, '21.6'],
  ] as const) {
    const bytes = Buffer.from(text)
    writer.append(timeMs, bytes, 0, bytes.length)
  }
  expect(hex.replace(/\s+/g, '')).toBe(writer.finish('none').bytes.toString('hex'))
})
