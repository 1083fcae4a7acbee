import { afterEach, beforeEach, expect, test } from 'vitest'
import type { EdgeBuffer } from '../../src/buffer/buffer.ts'
import { openInlineStore } from '../../src/buffer/inline-store.ts'
import type { Commit } from '../../src/buffer/store-calls.ts'
import type { StoreOptions } from '../../src/buffer/store-thread.ts'
import { HeadraceError } from '../../src/runtime/errors.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { until } from '../support/until.ts'
import { Bench, fill, noise, outletOf, put } from './harness.ts'

const NAMES = ['pump-1', 'pump-2', 'pump-3', 'pump-4']
const TEXT = 'x'.repeat(1_000)
/** A block at a time fits into a commit, and no second one. */
const SMALL = { commitBytes: 1_500 }
const REFUSALS = ['disk_full', 'disk_unusable'] as const

let bench: Bench
let clock: SimulatedClock
beforeEach(() => {
  bench = new Bench()
  clock = new SimulatedClock()
})
afterEach(() => bench.end())

const hasAlarm = (code: string) => bench.alarms.list().some(alarm => alarm.code === code)
const isOver = () => !hasAlarm('disk_full') && !hasAlarm('disk_unusable')

/** A disk that refuses commits for this reason, or takes them. */
class Disk {
  refuses: (typeof REFUSALS)[number] | undefined
  /** Called with each commit that comes. */
  asked: (commit: Commit) => void = () => {}

  readonly openStore = (options: StoreOptions) => {
    const store = openInlineStore(options)
    return {
      ...store,
      commit: async (commit: Commit) => {
        this.asked(commit)
        if (this.refuses) throw new HeadraceError(this.refuses, 'cannot be written')
        return store.commit(commit)
      },
    }
  }
}

const insertsOf = ({ steps }: Commit) => steps.filter(({ kind }) => kind === 'insert').length

const sourcesOf = (whenFull: 'block' | 'drop_oldest' = 'block', durabilityMs = 10) =>
  Object.fromEntries(NAMES.map(name => [name, { durabilityMs, whenFull }]))

/** Time passes until it is so; what has to be written is tried again each second. */
const passes = (what: string, isSo: () => boolean) =>
  until(what, async () => {
    if (!isSo()) await clock.pass(250)
    return isSo()
  })

async function fails(disk: Disk, buffer: EdgeBuffer, refuses: (typeof REFUSALS)[number] = 'disk_full') {
  disk.refuses = refuses
  for (const name of NAMES) put(buffer, name, TEXT)
  await passes('a person is told', () => !isOver())
}

for (const refuses of REFUSALS) {
  test.each([0, 1, 3])(
    `that a disk could not be written (${refuses}) is over when all is there that waited for it: it was said after the first block, and a kill then lost the others (after %i more tries)`,
    async tries => {
      const disk = new Disk()
      const buffer = await bench.open({ clock, sources: sourcesOf(), openStore: disk.openStore, limits: SMALL })
      await fails(disk, buffer, refuses)
      for (let time = 0; time <= tries; time++) {
        for (const name of NAMES) put(buffer, name, TEXT)
        if (time < tries) await clock.pass(1_000)
      }
      const said: boolean[] = []
      disk.asked = commit => {
        if (insertsOf(commit) > 0) said.push(!isOver())
      }
      disk.refuses = undefined
      await passes('it is over', isOver)
      const cut = bench.cut()
      const after = await cut.open({ sources: sourcesOf() })
      for (const name of NAMES) expect(outletOf(after, name).buffered().records).toBe(tries + 2)
      await cut.end()
      expect(said.length).toBeGreaterThan(1)
      expect(said.every(Boolean)).toBe(true)
    },
  )

  test(`while a disk cannot be written (${refuses}) what comes is gathered: a block for each second of it would fill the memory beside the bytes that are counted`, async () => {
    const disk = new Disk()
    const buffer = await bench.open({ clock, sources: sourcesOf(), openStore: disk.openStore })
    await fails(disk, buffer, refuses)
    let inserts = 0
    disk.asked = commit => (inserts = insertsOf(commit))
    const seconds = 60
    for (let second = 0; second < seconds; second++) {
      for (const name of NAMES) put(buffer, name, `second ${second}`)
      await clock.pass(1_000)
    }
    expect(inserts).toBeGreaterThan(0)
    expect(inserts).toBeLessThanOrEqual(NAMES.length)
    disk.refuses = undefined
    await passes('it is over', isOver)
    for (const name of NAMES) expect(outletOf(buffer, name).buffered().records).toBe(seconds + 1)
  })
}

test.each(REFUSALS)(
  'a gateway that is stopped as soon as the disk takes something again (%s) writes all that waited: one block was all, and the others were lost',
  async refuses => {
    const disk = new Disk()
    const before = await bench.open({ clock, sources: sourcesOf(), openStore: disk.openStore })
    await fails(disk, before, refuses)
    for (const name of NAMES) put(before, name, TEXT)
    disk.refuses = undefined
    await bench.close(before)
    const after = await bench.open({ sources: sourcesOf() })
    for (const name of NAMES) expect(outletOf(after, name).buffered().records).toBe(2)
  },
)

test('one that is stopped while its disk is full stops', async () => {
  const disk = new Disk()
  const buffer = await bench.open({ clock, sources: sourcesOf(), openStore: disk.openStore })
  await fails(disk, buffer)
  await bench.close(buffer)
  expect(hasAlarm('disk_full')).toBe(true)
})

test('it is over also where devices go on speaking, as fast as the disk takes it', async () => {
  const disk = new Disk()
  const buffer = await bench.open({ clock, sources: sourcesOf(), openStore: disk.openStore, limits: SMALL })
  await fails(disk, buffer)
  let commits = 0
  // Two records for each that goes: it is never all there.
  disk.asked = () => {
    commits += 1
    if (!isOver() && commits < 1_000) for (const name of NAMES) for (let time = 0; time < 2; time++) put(buffer, name, TEXT)
  }
  disk.refuses = undefined
  await passes('it is over', isOver)
  expect(commits).toBeLessThan(100)
})

test('what its durability leaves for later does not wait for the disk', async () => {
  const disk = new Disk()
  const buffer = await bench.open({ clock, sources: sourcesOf('block', 3_600_000), openStore: disk.openStore })
  for (const name of NAMES) put(buffer, name, TEXT)
  await clock.pass(10)
  disk.refuses = 'disk_full'
  await expect(outletOf(buffer, 'pump-1').freeze({ code: 'log_ahead', message: '', advice: '' })).rejects.toThrow(
    'cannot be written',
  )
  disk.refuses = undefined
  await passes('it is over', isOver)
})

test('what waits for room in the quota waits for the core, and not for the disk', async () => {
  const disk = new Disk()
  const buffer = await bench.open({ clock, sources: sourcesOf(), openStore: disk.openStore, quotaBytes: 2 ** 20 })
  let number = 0
  const pour = () => {
    while (put(buffer, 'pump-1', noise(number)) === 'taken') number += 1
  }
  await passes('the buffer is full', () => {
    pour()
    return hasAlarm('buffer_full')
  })
  await fails(disk, buffer)
  pour()
  disk.refuses = undefined
  await passes('it is over', isOver)
  expect(hasAlarm('buffer_full')).toBe(true)
})

test('the same where the oldest give way to what waited: all of that is there', async () => {
  const disk = new Disk()
  const limits = { fileQuotaBytes: 1, fileCommitBytes: 1, fileBlockBytes: 1 }
  const buffer = await bench.open({ sources: sourcesOf('drop_oldest'), openStore: disk.openStore, quotaBytes: 2 ** 20, limits })
  await fill(buffer, 'pump-1', 0, 1_000)
  disk.refuses = 'disk_full'
  for (const name of NAMES) put(buffer, name, TEXT)
  await until('a person is told', () => !isOver())
  disk.refuses = undefined
  await until('it is over', isOver)
  const cut = bench.cut()
  const after = await cut.open({ sources: sourcesOf('drop_oldest'), quotaBytes: 2 ** 20, limits })
  for (const name of NAMES.slice(1)) expect(outletOf(after, name).buffered().records).toBe(1)
  await cut.end()
})
