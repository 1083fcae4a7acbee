import { randomBytes } from 'node:crypto'
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { insertsOf, movedMemoryOf, packCommit, packResult, unpackCommit, unpackResult } from '../../src/buffer/packed-commit.ts'
import type { Commit, CommitResult, Step, StepResult } from '../../src/buffer/store-calls.ts'
import { memoryFor } from '../../src/runtime/give-back.ts'
import { SeededRandom, seedOfRun } from '../support/random.ts'

/** As another thread gets it. */
function sent<T>(value: T, moved: ArrayBuffer[]): T {
  const { port1, port2 } = new MessageChannel()
  port1.postMessage(value, moved)
  const received = receiveMessageOnPort(port2)
  port1.close()
  return (received as { message: T }).message
}

const random = new SeededRandom(seedOfRun('packed commits'))
const SIZES = [0, 1, 300, 2_048, 2_049, 20_000]
const RUNS = 100
const PATTERN = randomBytes(65_536)
const GAP = { records: 3, from: '2026-01-01T00:00:00.000Z', to: '2026-01-01T00:00:01.000Z', reason: 'expired' } as const
const ROW = {
  id: 7,
  name: 'pump',
  topic: 't',
  next: 5,
  settled: 4,
  assignment: null,
  frozen: null,
  head_gap: null,
  tail_gap: '{}',
}

function bytesOf(size: number): Buffer {
  const bytes = memoryFor(size)
  PATTERN.copy(bytes, 0, random.between(0, PATTERN.length - size))
  return bytes
}

function identity() {
  const key = random.pick([null, 'plant-a-1/pump-1', 'gärten/süd'])
  return {
    key,
    producerId: random.between(0, 2 ** 50),
    epoch: 3,
    epochStart: 2 ** 40,
    sequence: 2 ** 40 + random.between(0, 1e6),
  }
}

function insert(): Step {
  const plain = bytesOf(random.pick(SIZES))
  const some = <T>(value: T): T | undefined => (random.next() < 0.3 ? value : undefined)
  const [gap, bookmark, bytesMax] = [some(GAP), some('at 7'), some(1_048_576)]
  const as = random.pick([{}, { cut: identity() }, { likely: identity() }])
  return {
    kind: 'insert',
    source: random.between(1, 1e4),
    plain,
    isShared: plain.buffer.byteLength !== plain.length,
    count: random.between(1, 2_000),
    baseTimeMs: random.between(-1e12, 2e12),
    lastTimeMs: random.between(0, 2e12),
    ...as,
    ...(gap && { gap }),
    ...(bookmark && { bookmark }),
    ...(bytesMax && { bytesMax }),
  }
}

function otherStep(): Step {
  return random.pick<Step>([
    { kind: 'forget', ids: [3, 1, 2] },
    { kind: 'merge', source: 1, ids: [9], cut: identity(), gap: GAP },
    { kind: 'drop', source: 2, ids: [4], reason: 'expired' },
    { kind: 'source', row: ROW, keepHeadGap: true },
    { kind: 'placeholder', source: 3, cut: identity(), count: 2, timeMs: 8, gap: GAP },
  ])
}

/** Without what is said of memory, and bytes as text. */
function plainly(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1')
  if (Array.isArray(value)) return value.map(plainly)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).flatMap(([name, it]) => (name === 'isShared' ? [] : [[name, plainly(it)]])))
}

test('a commit arrives as it was sent, whatever its steps, in their order', () => {
  for (let run = 0; run < RUNS; run++) {
    const steps = Array.from({ length: random.between(0, 40) }, () => (random.next() < 0.7 ? insert() : otherStep()))
    const commit: Commit = { steps, ...random.pick([{}, { marks: '{}' }, { clock: { nowMs: 5, setFromMs: 1 } as never }]) }
    const before = plainly(commit)
    const { packed, moved } = packCommit(commit)
    expect(plainly(unpackCommit(sent(packed, moved)))).toEqual(before)
  }
})

test('small blocks stay with whoever sent them, large ones are gone', () => {
  const commit = {
    steps: [insert(), insert(), insert()].map((step, at) => ({ ...step, plain: bytesOf([300, 20_000, 2_048][at] ?? 0) })),
  }
  const steps = insertsOf({ steps: commit.steps as Step[] }).map(step => ({ ...step, isShared: step.plain.length <= 2_048 }))
  const before = steps.map(({ plain }) => Buffer.from(plain).toString('hex'))
  const { packed, moved } = packCommit({ steps })
  const there = insertsOf(unpackCommit(sent(packed, moved)))
  expect(there.map(({ plain }) => Buffer.from(plain).toString('hex'))).toEqual(before)
  expect(steps.map(({ plain }) => plain.length)).toEqual([300, 0, 2_048])
  expect(steps.map(movedMemoryOf).map(memory => memory !== undefined)).toEqual([false, true, false])
})

function result(): StepResult {
  const batch = (count = random.between(1, 900)) => {
    const bytes = bytesOf(random.pick(SIZES))
    const sequence = random.between(0, 2 ** 50)
    const row = {
      id: random.between(1, 1e9),
      source: 4,
      first: sequence,
      count,
      timeMs: random.between(0, 2e12),
      bytes: bytes.length,
    }
    return { row, batch: { sequence, count, bytes } }
  }
  return random.pick<StepResult>([
    { kind: 'cut', batches: [batch()] },
    { kind: 'cut', batches: [batch()] },
    { kind: 'cut', batches: [batch(), batch()] },
    { kind: 'cut', batches: [batch()], damaged: 3 },
    { kind: 'inserted', row: { ...batch().row, first: null } },
    { kind: 'dropped', gap: GAP },
    { kind: 'done' },
  ])
}

test('what became of it arrives as it was said, and its batches are Buffers', () => {
  for (let run = 0; run < RUNS; run++) {
    const said: CommitResult = {
      results: Array.from({ length: random.between(0, 40) }, result),
      disk: { usedBytes: 5, writtenBytes: 6 },
    }
    const before = plainly(said)
    const { packed, moved } = packResult(said)
    const heard = unpackResult(sent(packed, moved))
    expect(plainly(heard)).toEqual(before)
    for (const each of heard.results)
      if (each.kind === 'cut') for (const { batch } of each.batches) expect(Buffer.isBuffer(batch.bytes)).toBe(true)
  }
})

test('a batch keeps little memory alive beside its own: one that waits for long is not alone in what it shares', () => {
  const said = Array.from({ length: 200 }, () => bytesOf(300))
  const results = said.map(
    (bytes, at): StepResult => ({
      kind: 'cut',
      batches: [
        { row: { id: at, source: at, first: 0, count: 1, timeMs: 0, bytes: 300 }, batch: { sequence: 0, count: 1, bytes } },
      ],
    }),
  )
  const { packed, moved } = packResult({ results, disk: { usedBytes: 0, writtenBytes: 0 } })
  const heard = unpackResult(sent(packed, moved)).results
  const memories = heard.map(each => (each.kind === 'cut' ? each.batches[0]?.batch.bytes.buffer.byteLength : undefined))
  expect(Math.max(...memories.map(Number))).toBeLessThanOrEqual(8_192)
  // And one that comes alone has what it needs.
  const only = packResult({ results: results.slice(0, 1), disk: { usedBytes: 0, writtenBytes: 0 } })
  expect(only.packed.rows.pieces.map(({ length }) => length)).toEqual([300])
})
