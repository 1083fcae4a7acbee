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

test('a port is left alone, and then told whether there is something to read', async () => {
  const { clock, readable, asked, sweep, signal } = world()
  const told: boolean[] = []
  readable.add(7)
  void sweep.left(7, GATHER_MS, signal).then(isReadable => told.push(isReadable))
  await clock.pass(9)
  expect([told, asked]).toEqual([[], []])
  await clock.pass(1)
  expect([told, asked]).toEqual([[true], [[7]]])
})

test('one that says nothing is looked at a few times, and no longer', async () => {
  const { clock, asked, sweep, signal } = world()
  const left = sweep.left(7, GATHER_MS, signal)
  await clock.pass(1_000)
  expect([await left, asked.length]).toEqual([false, 4])
})

test('ports that begin at different times are all looked at in one moment after a few turns', async () => {
  const { clock, readable, asked, sweep, signal } = world()
  const stopping = new AbortController()
  for (let fd = 0; fd < 50; fd++) {
    readable.add(fd)
    const read = async () => {
      while (!stopping.signal.aborted) await sweep.left(fd, GATHER_MS, signal)
    }
    void read()
    await clock.pass(0.7)
  }
  await clock.pass(100)
  asked.length = 0
  await clock.pass(1_000)
  stopping.abort()
  expect(asked.length).toBeLessThanOrEqual(101)
  for (const fds of asked) expect(fds).toHaveLength(50)
})

test('who was stopped is not left waiting, nor anybody when there is no sweep any more', async () => {
  const { sweep, signal } = world()
  expect(await sweep.left(7, GATHER_MS, AbortSignal.abort())).toBe(false)
  const left = sweep.left(7, GATHER_MS, signal)
  sweep.close()
  expect(await left).toBe(false)
})
