import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { SeededRandom, seedOfRun } from '../support/random.ts'
import { ASSIGNMENT, Bench, declared, isContiguous, outletOf, PLACES, recordsOf, takeRecords } from './harness.ts'

const INSERTER = new URL('./inserter.ts', import.meta.url).pathname
const KILLS = 6

describe.each(PLACES)('blocks that lie %s', (where, limits) => {
  let bench: Bench
  let child: ChildProcess | undefined
  beforeEach(() => {
    bench = new Bench(limits)
    mkdirSync(`${bench.folder}/edge`)
  })
  afterEach(async () => {
    child?.kill('SIGKILL')
    await bench.end()
  })

  /** Runs the inserter from number `from`, kills it after a while, and gives the last number that it was told is on disk. */
  function insertAndKill(from: number, worker: string, forMs: number): Promise<number> {
    return new Promise((resolve, reject) => {
      let stored = from - 1
      child = spawn(process.execPath, [INSERTER, bench.folder, worker, String(from), JSON.stringify(limits)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
      lines.on('line', line => {
        stored = Number(line)
      })
      lines.once('line', () => setTimeout(() => child?.kill('SIGKILL'), forMs))
      child.on('error', reject)
      lines.on('close', () => resolve(stored))
    })
  }

  test.each(['inline', 'thread'])(
    'killed -9 while it inserts and cuts (%s): all that was acknowledged is there, once, in order',
    async worker => {
      const random = new SeededRandom(seedOfRun(`buffer killed, ${worker}, ${where}`))
      let acknowledged = -1
      let next = 0
      for (let kill = 0; kill < KILLS; kill++) {
        acknowledged = Math.max(acknowledged, await insertAndKill(next, worker, random.between(5, 150)))
        const buffer = await bench.open()
        const outlet = outletOf(buffer)
        const total = outlet.settled + outlet.buffered().records
        expect(total).toBeGreaterThan(acknowledged)
        next = total
        await bench.close(buffer)
      }
      const buffer = await bench.open()
      await outletOf(buffer).assign(ASSIGNMENT)
      buffer.attachLink(() => {})
      const records = recordsOf(await takeRecords(buffer, 'pump-1', next, 20_000))
      expect(records.map(({ text }) => Number(text))).toEqual(Array.from({ length: next }, (_, index) => index))
      expect(isContiguous(records)).toBe(true)
      expect(declared(records)).toBe(0)
    },
    60_000,
  )
})
