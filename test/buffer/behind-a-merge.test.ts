import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openInlineStore } from '../../src/buffer/inline-store.ts'
import type { Commit } from '../../src/buffer/store-calls.ts'
import type { StoreOptions } from '../../src/buffer/store-thread.ts'
import { ASSIGNMENT, Bench, outletOf, put, recordsOf, takeRecords } from './harness.ts'

let bench: Bench
beforeEach(() => {
  bench = new Bench()
})
afterEach(() => bench.end())

/** Records of a block that is large enough to be made a batch by itself, whatever comes behind it. */
const BLOCK_RECORDS = 400
/** Does not shrink: a block that is small on the disk would wait for more to go with it. */
const filler = () => randomBytes(50).toString('hex')

/** A store that says which commits it made, and under which numbers what was encoded with likely ones was cut in the end. */
function watched() {
  const commits: Commit[] = []
  const likely = new Map<number, number>()
  const cutAs: { likely: number; cut: number }[] = []
  const open = (options: StoreOptions) => {
    const store = openInlineStore(options)
    return {
      ...store,
      commit: async (commit: Commit) => {
        commits.push(commit)
        const done = await store.commit(commit)
        for (const [at, step] of commit.steps.entries()) {
          const result = done.results[at]
          if (step.kind === 'insert' && step.likely && result?.kind === 'inserted')
            likely.set(result.row.id, step.likely.sequence)
          const was = step.kind === 'merge' && step.ids.length === 1 ? likely.get(step.ids[0] ?? -1) : undefined
          if (step.kind === 'merge' && was !== undefined) cutAs.push({ likely: was, cut: step.cut.sequence })
        }
        return done
      },
    }
  }
  return { commits, cutAs, open }
}

function fill(buffer: Awaited<ReturnType<Bench['open']>>, from: number, blocks: number): number {
  for (let number = from; number < from + blocks * BLOCK_RECORDS; number++) put(buffer, 'pump-1', `${number} ${filler()}`)
  return from + blocks * BLOCK_RECORDS
}

test('what comes behind a backlog that goes with the very same commit is cut at once', async () => {
  const { commits, open } = watched()
  const buffer = await bench.open({ openStore: open, limits: { blockRecords: BLOCK_RECORDS } })
  await outletOf(buffer).assign(ASSIGNMENT)
  let next = fill(buffer, 0, 2)
  await buffer.inlet('pump-1').stored()
  commits.length = 0
  buffer.attachLink(() => {})
  next = fill(buffer, next, 2)
  await buffer.inlet('pump-1').stored()
  const inserts = commits.flatMap(({ steps }) => steps.filter(step => step.kind === 'insert'))
  expect(inserts.map(step => step.cut?.sequence)).toEqual([2 * BLOCK_RECORDS, 3 * BLOCK_RECORDS])
  const records = recordsOf(await takeRecords(buffer, 'pump-1', next))
  expect(records.map(({ sequence }) => sequence)).toEqual(Array.from({ length: next }, (_, at) => at))
})

test('the numbers that a block is likely to get are those that it gets, also where others are merged meanwhile', async () => {
  const { cutAs, open } = watched()
  const buffer = await bench.open({
    openStore: open,
    limits: { blockRecords: BLOCK_RECORDS, readyBatches: 2, mergesPerCommit: 1 },
  })
  await outletOf(buffer).assign(ASSIGNMENT)
  let next = fill(buffer, 0, 4)
  await buffer.inlet('pump-1').stored()
  buffer.attachLink(() => {})
  next = fill(buffer, next, 6)
  await buffer.inlet('pump-1').stored()
  const records = recordsOf(await takeRecords(buffer, 'pump-1', next))
  expect(records.map(({ text }) => text?.split(' ')[0])).toEqual(Array.from({ length: next }, (_, at) => String(at)))
  expect(cutAs.length).toBeGreaterThan(6)
  for (const { likely, cut } of cutAs) expect(cut).toBe(likely)
})
