import { expect, test } from 'vitest'
import { type CaptureItem, capture, type Tap } from '../../src/source/capture.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

function start() {
  const clock = new SimulatedClock()
  const ended = new AbortController()
  const taps = new Set<Tap>()
  const items = capture(
    tap => {
      taps.add(tap)
      return () => taps.delete(tap)
    },
    clock,
    ended.signal,
  )
  const all: CaptureItem[] = []
  const done = (async () => {
    for await (const item of items) all.push(item)
  })()
  return { clock, ended, taps, all, done, tap: () => [...taps][0] }
}

test('what passes is kept byte for byte, with its time, and that the line broke off', async () => {
  const { clock, ended, taps, all, done, tap } = start()
  const memory = Buffer.from([0, 255, 10])
  tap()?.bytes(memory)
  memory.fill(7)
  await clock.pass(1_500)
  tap()?.interrupted()
  await clock.pass(1)
  ended.abort()
  await done
  expect(all).toEqual([
    { at_ms: 0, base64: 'AP8K' },
    { at_ms: 1_500, interrupted: true },
  ])
  expect(taps.size).toBe(0)
})

test('whoever reads too slowly loses bytes, and is told how many; memory stays bounded', async () => {
  const { clock, ended, all, done, tap } = start()
  const megabyte = Buffer.alloc(2 ** 20)
  for (let count = 0; count < 10; count++) tap()?.bytes(megabyte)
  await clock.pass(1)
  tap()?.bytes(Buffer.from('after'))
  await clock.pass(1)
  ended.abort()
  await done
  expect(all.filter(item => 'base64' in item && item.base64.length > 1_000)).toHaveLength(4)
  expect(all.slice(-2)).toEqual([
    { at_ms: 1, lost_bytes: 6 * 2 ** 20 },
    { at_ms: 1, base64: Buffer.from('after').toString('base64') },
  ])
})
