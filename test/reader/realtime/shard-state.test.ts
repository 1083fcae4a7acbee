import { describe, expect, test } from 'vitest'
import type { Alert, Sample, Watch } from '../../../src/analyser/analyser.ts'
import { SampleRun } from '../../../src/analyser/sample-run.ts'
import type { AnalyserDefinition, StreamTarget } from '../../../src/reader/realtime/definition.ts'
import { END_UNKNOWN } from '../../../src/reader/realtime/seen-sources.ts'
import { ShardState } from '../../../src/reader/realtime/shard-state.ts'
import { MemoryKeeper, PUMP, PUMP_KEY, sampleAt } from '../../support/watches.ts'

const LATER_MS = 60_000

/** Says something once, at the record that it is told of, and knows that it did. */
class OnceWatch implements Watch {
  readonly #at: number
  #said = false

  constructor(at: number) {
    this.#at = at
  }

  sample({ sequence, timeMs }: Sample, out: { alert(alert: Alert): void }): void {
    if (this.#said || sequence < this.#at) return
    this.#said = true
    out.alert({ key: 'the only one', analyser: 'once', source: PUMP, state: 'raised', timeMs, message: 'so it is', values: {} })
  }

  tick(): void {}

  snapshot(): unknown {
    return this.#said
  }

  restore(said: unknown): void {
    this.#said = said === true
  }
}

const definition: AnalyserDefinition = {
  id: 'p.once',
  name: 'once',
  topic: 'p',
  sources: ['*'],
  per: 'source',
  open: () => new OnceWatch(1),
  fingerprint: 'f',
  sinks: ['p.once webhook'],
}

/** Reads [from, to), from where it stands. */
function read(state: ShardState, from: number, to: number): void {
  const watch = state.watchFor(definition, PUMP, PUMP_KEY, 0)
  for (let sequence = Math.max(from, watch.floor(PUMP_KEY) ?? 0); sequence < to; sequence++) {
    watch.take(new SampleRun([sampleAt(sequence)]), sequence)
    watch.setFloor(PUMP_KEY, sequence + 1)
  }
}

const told = (state: ShardState) => state.outbox.all().map(({ alert }) => alert.key)

describe('the states of a shard', () => {
  test('what is said while they are made short is said after a crash as well', async () => {
    const keeper = new MemoryKeeper()
    const before = new ShardState(keeper, null)
    read(before, 0, 1)
    keeper.isLong = true
    keeper.meanwhile(() => read(before, 1, 2))
    await before.keep({ monotonicMs: LATER_MS }, () => {})
    const after = new ShardState(keeper, null)
    read(after, 0, 2)
    await after.keep({ monotonicMs: LATER_MS }, () => {})
    expect(told(after)).toEqual(['the only one'])
  })

  test('are made short by the next keep, and what is on its way stays', async () => {
    const keeper = new MemoryKeeper()
    const state = new ShardState(keeper, null)
    read(state, 0, 2)
    await state.keep({ monotonicMs: LATER_MS }, () => {})
    expect(told(state)).toEqual(['the only one'])
    keeper.isLong = true
    await state.keep({ monotonicMs: 2 * LATER_MS }, () => {})
    expect(keeper.isLong).toBe(false)
    const after = new ShardState(keeper, null)
    expect(told(after)).toEqual(['the only one'])
    read(after, 0, 2)
    await after.keep({ monotonicMs: 3 * LATER_MS }, () => {})
    expect(told(after)).toEqual(['the only one'])
  })

  test('are made short where a watch has failed, which goes on from before its failure after a restart: they grew until then', async () => {
    const keeper = new MemoryKeeper()
    /** Knows the sum of what it saw, and throws at the fourth record having added it. */
    const summing = (throwsAt: number): AnalyserDefinition => ({
      ...definition,
      id: 'p.sum',
      open: (): Watch => {
        let sum = 0
        return {
          sample: ({ sequence }) => {
            sum += 10 ** sequence
            if (sequence === throwsAt) throw new Error('no such field')
          },
          tick: () => {},
          snapshot: () => sum,
          restore: kept => {
            sum = Number(kept)
          },
        }
      },
    })
    const take = (state: ShardState, throwsAt: number, sequence: number, monotonicMs: number) => {
      const watch = state.watchFor(summing(throwsAt), PUMP, PUMP_KEY, 0)
      watch.take(new SampleRun([sampleAt(sequence)]), monotonicMs)
      if (watch.failure === undefined) watch.setFloor(PUMP_KEY, sequence + 1)
      return watch
    }
    const state = new ShardState(keeper, null)
    for (const sequence of [0, 1, 2]) {
      take(state, 3, sequence, (sequence + 1) * LATER_MS)
      await state.keep({ monotonicMs: (sequence + 2) * LATER_MS }, () => {})
    }
    expect(take(state, 3, 3, 5 * LATER_MS).failure).toMatchObject({ message: 'no such field' })
    for (const round of [6, 7]) {
      keeper.isLong = true
      await state.keep({ monotonicMs: round * LATER_MS }, () => {})
      expect(keeper.isLong).toBe(false)
      const watches = keeper.entries.filter(({ kind }) => kind === 'watch')
      expect(watches).toMatchObject([{ id: 'p.sum', at: { [PUMP_KEY]: 3 }, state: 111 }])
    }
    const after = new ShardState(keeper, null)
    expect(take(after, 99, 3, 8 * LATER_MS).snapshot()).toMatchObject({ json: '1111' })
  })

  test('that an alert has arrived is kept with the next look, and not at once', async () => {
    const keeper = new MemoryKeeper()
    const state = new ShardState(keeper, null)
    read(state, 0, 2)
    await state.keep({ monotonicMs: LATER_MS }, () => {})
    const kept = keeper.entries.length
    for (const { number } of state.outbox.all()) state.delivered(number)
    await state.keep({ monotonicMs: LATER_MS + 1 }, () => {})
    expect(keeper.entries.length).toBe(kept)
    await state.keep({ monotonicMs: 2 * LATER_MS }, () => {})
    expect(told(new ShardState(keeper, null))).toEqual([])
  })

  test('what is merely due waits for what is said, and not for long', async () => {
    const keeper = new MemoryKeeper()
    const state = new ShardState(keeper, null)
    const other = { gateway: 'gw-1', source: 'valve' }
    const quiet = state.watchFor({ ...definition, open: () => new OnceWatch(1_000_000) }, other, 'gw-1/valve', 0)
    const subjects = () => keeper.entries.flatMap(entry => (entry.kind === 'watch' ? [entry.subject] : []))
    await state.keep({ monotonicMs: LATER_MS }, () => {})
    quiet.take(new SampleRun([{ ...sampleAt(0), source: other, key: 'gw-1/valve' }]), LATER_MS - 5_000)
    read(state, 0, 2)
    await state.keep({ monotonicMs: LATER_MS + 300 }, () => {})
    expect(subjects()).toEqual([PUMP_KEY])
    await state.keep({ monotonicMs: LATER_MS + 301 }, () => {})
    expect(subjects()).toEqual([PUMP_KEY, 'gw-1/valve'])
    quiet.take(new SampleRun([{ ...sampleAt(1), source: other, key: 'gw-1/valve' }]), LATER_MS - 5_000)
    const loud = state.watchFor({ ...definition, id: 'p.again' }, PUMP, PUMP_KEY, 0)
    loud.take(new SampleRun([sampleAt(2)]), LATER_MS)
    await state.keep({ monotonicMs: LATER_MS + 901 }, () => {})
    expect(subjects().slice(2)).toEqual([PUMP_KEY, 'gw-1/valve'])
  })

  test('watches that are all due in one moment are kept in parts, each of them within the time after which it is due', async () => {
    const WATCHES = 500
    const [KEEP_AFTER_MS, LOOK_EVERY_MS] = [5_000, 200]
    const keeper = new MemoryKeeper()
    const state = new ShardState(keeper, null)
    await state.keep({ monotonicMs: LATER_MS }, () => {})
    for (let index = 0; index < WATCHES; index++) {
      const source = { gateway: 'gw-1', source: `quiet-${index}` }
      const key = `gw-1/quiet-${index}`
      const watch = state.watchFor({ ...definition, open: () => new OnceWatch(1_000_000) }, source, key, 0)
      watch.take(new SampleRun([{ ...sampleAt(0), source, key }]), LATER_MS)
    }
    let most = 0
    const dueMs = LATER_MS + KEEP_AFTER_MS
    await state.keep({ monotonicMs: dueMs - 1 }, () => {})
    for (let atMs = dueMs + LOOK_EVERY_MS; atMs <= dueMs + KEEP_AFTER_MS; atMs += LOOK_EVERY_MS) {
      const before = keeper.entries.length
      await state.keep({ monotonicMs: atMs }, () => {})
      most = Math.max(most, keeper.entries.length - before)
    }
    const subjects = keeper.entries.flatMap(entry => (entry.kind === 'watch' ? [entry.subject] : []))
    expect(new Set(subjects).size).toBe(WATCHES)
    expect(subjects.length).toBe(WATCHES)
    expect(most).toBeLessThanOrEqual(Math.ceil((WATCHES * (LOOK_EVERY_MS + 1)) / KEEP_AFTER_MS))
  })

  test('records for a derived stream that the analyser does not have are not kept, nor the state because of them', async () => {
    const keeper = new MemoryKeeper()
    const state = new ShardState(keeper, null)
    await state.keep({ monotonicMs: LATER_MS }, () => {})
    const derives = (id: string, stream?: StreamTarget): AnalyserDefinition => ({
      ...definition,
      id,
      open: (): Watch => ({
        sample: ({ timeMs }, out) => out.record({ timeMs, value: { at: timeMs } }),
        tick: () => {},
        snapshot: () => null,
        restore: () => {},
      }),
      ...(stream && { stream }),
    })
    const without = state.watchFor(derives('p.without'), PUMP, PUMP_KEY, 0)
    without.take(new SampleRun([sampleAt(0)]), LATER_MS)
    await state.keep({ monotonicMs: LATER_MS }, () => {})
    expect(keeper.entries).toEqual([])
    const withOne = state.watchFor(derives('p.with', { source: 's', topic: 'p', fieldsOf: () => ({}) }), PUMP, PUMP_KEY, 0)
    withOne.take(new SampleRun([sampleAt(0)]), LATER_MS)
    await state.keep({ monotonicMs: LATER_MS }, () => {})
    expect(keeper.entries).toMatchObject([{ id: 'p.with', derived: [{ sequence: 0, timeMs: 0, value: '{"at":0}' }] }])
  })

  test('a source that was there and could not be read is watched from its end, wherever that is when it can: all that it ever said was looked at', async () => {
    const keeper = new MemoryKeeper()
    const state = new ShardState(keeper, null)
    state.know(definition, { [PUMP_KEY]: END_UNKNOWN })
    expect(state.watchFor(definition, PUMP, PUMP_KEY, 0, 7).floor(PUMP_KEY)).toBe(7)
    await state.keep({ monotonicMs: LATER_MS }, () => {})
    expect(new ShardState(keeper, null).watchFor(definition, PUMP, PUMP_KEY, 0, 9).floor(PUMP_KEY)).toBeLessThanOrEqual(9)
    expect(state.watchFor(definition, { ...PUMP, source: 'later' }, 'gw-1/later', 0, 7).floor('gw-1/later')).toBe(0)
  })
})
