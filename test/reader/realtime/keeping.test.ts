import { describe, expect, test } from 'vitest'
import { SampleRun } from '../../../src/analyser/sample-run.ts'
import { Keeping } from '../../../src/reader/realtime/keeping.ts'
import { ShardState } from '../../../src/reader/realtime/shard-state.ts'
import type { StateEntry } from '../../../src/reader/realtime/state-entry.ts'
import type { StateKeeper } from '../../../src/reader/realtime/state-keeper.ts'
import { SimulatedClock } from '../../support/simulated-clock.ts'
import { chatty, PUMP, PUMP_KEY, sampleAt } from '../../support/watches.ts'

/** Answers an append when the test says so. */
class SlowKeeper implements StateKeeper {
  readonly entries: StateEntry[] = []
  readonly isLong = false
  asked = 0
  #answer: { resolve(outcome: 'kept' | 'lost'): void; reject(error: Error): void } | undefined

  append(entries: readonly StateEntry[]): Promise<'kept' | 'lost'> {
    this.asked += 1
    const { promise, resolve, reject } = Promise.withResolvers<'kept' | 'lost'>()
    this.#answer = { resolve, reject }
    return promise.then(outcome => {
      if (outcome === 'kept') this.entries.push(...entries)
      return outcome
    })
  }

  async answer(outcome: 'kept' | 'lost' | Error): Promise<void> {
    if (outcome instanceof Error) this.#answer?.reject(outcome)
    else this.#answer?.resolve(outcome)
    this.#answer = undefined
    await new Promise(setImmediate)
  }

  async readBack(): Promise<readonly StateEntry[]> {
    return [...this.entries]
  }

  startAnew(): () => Promise<void> {
    return async () => {}
  }
}

function plant() {
  const clock = new SimulatedClock()
  const keepers = [new SlowKeeper(), new SlowKeeper()] as const
  const shards = new Map(keepers.map((keeper, number) => [number, new ShardState(keeper, null)]))
  const told: string[] = []
  const keeping = new Keeping({ shards, clock, onAlert: (_, { key }) => void told.push(key), onKept: () => {} })
  const say = (number: number, sequence: number) => {
    const shard = shards.get(number)
    shard?.watchFor(chatty, PUMP, PUMP_KEY, 0).take(new SampleRun([sampleAt(sequence)]), clock.monotonicMs())
  }
  return { clock, keepers, shards, keeping, told, say }
}

describe('what the analysers say', () => {
  test('of one shard does not wait for what another keeps', async () => {
    const { keepers, keeping, told, say } = plant()
    await keeping.keep()
    say(0, 1)
    await keeping.handOn()
    say(1, 2)
    await keeping.handOn()
    await keepers[1].answer('kept')
    expect(told).toEqual(['2'])
    await keepers[0].answer('kept')
    expect(told).toEqual(['2', '1'])
  })

  test('while its own shard keeps something goes on in the next part, all of it together', async () => {
    const { keepers, keeping, told, say } = plant()
    await keeping.keep()
    for (const sequence of [1, 2, 3]) {
      say(0, sequence)
      await keeping.handOn()
    }
    expect(keepers[0].asked).toBe(1)
    await keepers[0].answer('kept')
    await keeping.handOn()
    await keepers[0].answer('kept')
    expect(told).toEqual(['1', '2', '3'])
    expect(keepers[0].asked).toBe(2)
  })

  test('is waited for when its shard takes too long', async () => {
    const { clock, keepers, keeping, say } = plant()
    await keeping.keep()
    say(0, 1)
    await keeping.handOn()
    await clock.pass(250)
    let isOver = false
    const handed = keeping.handOn().then(() => {
      isOver = true
    })
    await new Promise(setImmediate)
    expect(isOver).toBe(false)
    await keepers[0].answer('kept')
    await handed
  })

  test('and could not be kept stops the reading until it is', async () => {
    const { keepers, keeping, told, say } = plant()
    expect(keeping.mustWait).toBe(true)
    await keeping.keep()
    expect(keeping.mustWait).toBe(false)
    say(0, 1)
    await keeping.handOn()
    await keepers[0].answer(new Error('away'))
    await expect(keeping.handOn()).rejects.toThrow('away')
    expect(keeping.mustWait).toBe(true)
    const kept = keeping.keep()
    await new Promise(setImmediate)
    await keepers[0].answer('kept')
    await kept
    expect(keeping.mustWait).toBe(false)
    expect(told).toEqual(['1'])
  })

  test('of a shard that another core keeps is not told, and the shard is given up once', async () => {
    const { keepers, shards, keeping, told, say } = plant()
    await keeping.keep()
    say(0, 1)
    await keeping.handOn()
    await keepers[0].answer('lost')
    say(0, 2)
    expect(await keeping.handOn()).toEqual([0])
    expect(keepers[0].asked).toBe(1)
    shards.delete(0)
    expect(await keeping.handOn()).toEqual([])
    expect(told).toEqual([])
  })

  test('of a shard that was lost while the next was read is not kept again: it was given up twice', async () => {
    const { keepers, keeping, told, say } = plant()
    await keeping.keep()
    say(0, 1)
    await keeping.handOn()
    await keepers[0].answer('lost')
    const lost: (readonly number[])[] = []
    void keeping.keep().then(shards => lost.push(shards))
    await new Promise(setImmediate)
    await keepers[0].answer('lost')
    expect(lost).toEqual([[0]])
    expect(keepers[0].asked).toBe(1)
    expect(told).toEqual([])
  })
})
