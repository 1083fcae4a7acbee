import { expect, test } from 'vitest'
import { type Given, readBack } from '../../src/doctor/read-back.ts'
import type { Claim, Fetched, Log } from '../../src/log/log.ts'
import { encode } from '../record/samples.ts'

const CLAIM: Claim = {
  source: { gateway: 'g', source: 's' },
  topic: 't',
  partition: 0,
  topicId: 'x',
  producerId: 7,
  epoch: 0,
  epochStart: 0,
  at: 0,
}
const payload = (number: number) => Buffer.from(`record ${number}`)
const given: Given = { claim: CLAIM, records: 3, payload }

/** A log that holds these records, one batch each, at the offsets given. */
function logOf(stored: readonly (readonly [offset: number, value: Buffer])[]): Log {
  const next = stored.length === 0 ? 0 : (stored.at(-1)?.[0] ?? 0) + 1
  const batches = stored.map(([offset, value]) => {
    const who = { key: null, producerId: 7, epoch: 0, epochStart: 0, ahead: offset }
    const { bytes } = encode(who, [{ timeMs: 1, value, headers: [] }], 'none')
    bytes.writeBigInt64BE(BigInt(offset), 0)
    return [offset, bytes] as const
  })
  return {
    ends: async () => new Map([[CLAIM, { first: 0, next, proof: {} }]]),
    fetch: async ([cursor]: readonly { from: number }[]): Promise<Fetched[]> => [
      {
        topic: 't',
        partition: 0,
        first: 0,
        next,
        batches: batches.filter(([offset]) => offset >= (cursor?.from ?? 0)).map(([, bytes]) => bytes),
      },
    ],
  } as unknown as Log
}

test.each([
  [
    'all that was given',
    [
      [0, payload(0)],
      [1, payload(1)],
      [2, payload(2)],
    ],
    'holds',
  ],
  ['nothing', [], 'fails'],
  [
    'one too few',
    [
      [0, payload(0)],
      [1, payload(1)],
    ],
    'fails',
  ],
  [
    'one in the place of another',
    [
      [0, payload(0)],
      [1, payload(2)],
      [2, payload(1)],
    ],
    'fails',
  ],
  [
    'one twice',
    [
      [0, payload(0)],
      [1, payload(1)],
      [2, payload(2)],
      [3, payload(2)],
    ],
    'fails',
  ],
  [
    'a byte changed',
    [
      [0, payload(0)],
      [1, Buffer.from('record I')],
      [2, payload(2)],
    ],
    'fails',
  ],
  [
    'a hole',
    [
      [0, payload(0)],
      [2, payload(2)],
    ],
    'fails',
  ],
] as const)('what a trial reads back: %s', async (_what, stored, verdict) => {
  const [judgement] = await readBack(logOf(stored), [given])
  expect(judgement?.verdict).toBe(verdict)
})
