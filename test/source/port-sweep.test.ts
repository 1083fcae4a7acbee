import { expect, test } from 'vitest'
import { POLL_FD_BYTES, POLL_IN } from '../../src/runtime/system-poll.ts'
import { PortSweep } from '../../src/source/port-sweep.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

const GATHER_MS = 10

/** Descriptors that say of themselves whether there is something to read, and how often the system was asked. */
function world() {
  const clock = new SimulatedClock()
  const readable = new Set<number>()
  const asked: number[][] = []
  const poll = (fds: Buffer, count: number) => {
    const each = Array.from({ length: count }, (_, index) => index * POLL_FD_BYTES)
    asked.push(each.map(at => fds.readInt32LE(at)))
    for (const at of each) {
      expect(fds.readInt16LE(at + 4)).toBe(POLL_IN)
      fds.writeInt16LE(readable.has(fds.readInt32LE(at)) ? POLL_IN : 0, at + 6)
    }
    return 0
  }
  return { clock, readable, asked, sweep: new PortSweep(poll, clock), signal: new AbortController().signal }
}

/** Notes that it was called, and goes on. */
const goesOn = (calls: number[], clock: SimulatedClock) => () => {
  calls.push(clock.monotonicMs())
  return GATHER_MS
}

test('a port is left alone, and then read where there is something to read', async () => {
  const { clock, readable, asked, sweep, signal } = world()
  const calls: number[] = []
  readable.add(7)
  const from = clock.monotonicMs()
  void sweep.follow(7, GATHER_MS, signal, goesOn(calls, clock))
  await clock.pass(9)
  expect([calls, asked]).toEqual([[], []])
  await clock.pass(1)
  expect([calls, asked]).toEqual([[from + 10], [[7]]])
  await clock.pass(10)
  expect(calls).toEqual([from + 10, from + 20])
})

test('one that says nothing is looked at a few times, and no longer', async () => {
  const { clock, asked, sweep, signal } = world()
  const calls: number[] = []
  const over = sweep.follow(7, GATHER_MS, signal, goesOn(calls, clock))
  await clock.pass(1_000)
  await over
  expect([calls.length, asked.length]).toEqual([0, 4])
})

test('who has read enough is not looked at again, and what a read throws is told; the others go on', async () => {
  const { clock, readable, asked, sweep, signal } = world()
  const calls: number[] = []
  for (const fd of [6, 7, 8]) readable.add(fd)
  const enough = sweep.follow(6, GATHER_MS, signal, () => undefined)
  const failed = sweep.follow(7, GATHER_MS, signal, () => {
    throw new Error('the port has ended')
  })
  void sweep.follow(8, GATHER_MS, signal, goesOn(calls, clock))
  const told = expect(failed).rejects.toThrow('the port has ended')
  await clock.pass(30)
  await Promise.all([enough, told])
  expect(calls).toHaveLength(3)
  expect(asked).toEqual([[6, 7, 8], [8], [8]])
})

test('ports that begin at different times are all looked at in one moment after a few turns', async () => {
  const { clock, readable, asked, sweep, signal } = world()
  for (let fd = 0; fd < 50; fd++) {
    readable.add(fd)
    void sweep.follow(fd, GATHER_MS, signal, goesOn([], clock))
    await clock.pass(0.7)
  }
  await clock.pass(100)
  asked.length = 0
  await clock.pass(1_000)
  expect(asked.length).toBeLessThanOrEqual(101)
  for (const fds of asked) expect(fds).toHaveLength(50)
})

test('who was stopped is not left waiting, nor anybody when there is no sweep any more', async () => {
  const { clock, readable, sweep, signal } = world()
  const calls: number[] = []
  readable.add(7)
  await sweep.follow(7, GATHER_MS, AbortSignal.abort(), goesOn(calls, clock))
  const stopping = new AbortController()
  const stopped = sweep.follow(7, GATHER_MS, stopping.signal, goesOn(calls, clock))
  stopping.abort()
  await clock.pass(10)
  await stopped
  const left = sweep.follow(7, GATHER_MS, signal, goesOn(calls, clock))
  sweep.close()
  await left
  expect(calls).toEqual([])
})
