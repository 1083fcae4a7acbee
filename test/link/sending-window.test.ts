import { describe, expect, test } from 'vitest'
import { LINK_LIMITS } from '../../src/link/limits.ts'
import { SendingWindow } from '../../src/link/sending-window.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

const BATCH_BYTES = 64 * 1024

/** A way that carries so much at a time, and takes so long: what comes while it is busy waits. */
class Way {
  readonly clock = new SimulatedClock()
  readonly window = new SendingWindow(this.clock)
  readonly #bytesPerMs: number
  readonly #tripMs: number
  #freeAtMs = 0
  #onWay = 0

  constructor(bytesPerMs: number, tripMs: number) {
    this.#bytesPerMs = bytesPerMs
    this.#tripMs = tripMs
  }

  /** A sender that always has something, for so long. Gives the bytes that arrived, and how long the last ones took, ms. */
  async fill(forMs: number): Promise<{ arrived: number; tookMs: number }> {
    const result = { arrived: 0, tookMs: 0 }
    const untilMs = this.clock.monotonicMs() + forMs
    const send = () => {
      while (this.#onWay < this.window.bytes && this.clock.monotonicMs() < untilMs) {
        const nowMs = this.clock.monotonicMs()
        const departure = this.window.sent()
        this.#onWay += BATCH_BYTES
        this.#freeAtMs = Math.max(this.#freeAtMs, nowMs) + BATCH_BYTES / this.#bytesPerMs
        this.clock.after(this.#freeAtMs - nowMs + this.#tripMs, () => {
          this.#onWay -= BATCH_BYTES
          result.arrived += BATCH_BYTES
          result.tookMs = this.clock.monotonicMs() - nowMs
          this.window.settled(departure, BATCH_BYTES)
          send()
        })
      }
    }
    send()
    await this.clock.pass(forMs + 60_000)
    return result
  }
}

describe('what may be on its way', () => {
  test.each([
    ['a local network', 20_000, 1],
    ['a line of 10 Mbit/s', 1_250, 30],
    ['a satellite', 1_250, 600],
  ])('fills %s', async (_name, bytesPerMs, tripMs) => {
    const way = new Way(bytesPerMs, tripMs)
    const { arrived } = await way.fill(30_000)
    expect(arrived).toBeGreaterThan(0.8 * bytesPerMs * 30_000)
  })

  test('keeps the queue on a slow line short, where a fixed bound let what is new wait for half a minute', async () => {
    const way = new Way(1_250, 30)
    const { tookMs } = await way.fill(30_000)
    // The way, its queue, and a few batches that go past it: nothing near what 32 MiB take.
    expect(tookMs).toBeLessThan(500)
    expect(LINK_LIMITS.windowBytesMax / 1_250).toBeGreaterThan(25_000)
  })

  test('finds out that the way has become longer', async () => {
    const { clock, window } = new Way(1, 1)
    const settle = async (tookMs: number) => {
      const departure = window.sent()
      await clock.pass(tookMs)
      window.settled(departure, 1_000_000)
    }
    for (let sent = 0; sent < 20; sent++) await settle(10)
    const before = window.bytes
    for (let sent = 0; sent < 80; sent++) await settle(200)
    // 1 MB in 10 ms with 200 of queue, and 1 MB in 200 ms with 200: measured anew, and not 1 MB in 200 ms with 10.
    expect(before).toBeCloseTo(21_000_000, -4)
    expect(window.bytes).toBeCloseTo(2_000_000, -4)
  })

  test('knows that the other end is late by what a settlement takes beside the shortest one', async () => {
    const { clock, window } = new Way(1, 1)
    const settle = async (tookMs: number) => {
      const departure = window.sent()
      await clock.pass(tookMs)
      window.settled(departure, 1_000)
      return window.isLate
    }
    expect(window.isLate).toBe(false)
    expect(await settle(30)).toBe(false)
    expect(await settle(79)).toBe(false)
    expect(await settle(81)).toBe(true)
    expect(await settle(1_500)).toBe(false)
    expect(await settle(30)).toBe(false)
  })

  test('never more than memory is meant for, never less than keeps the core busy', async () => {
    const { clock, window } = new Way(1, 1)
    expect(window.bytes).toBe(LINK_LIMITS.windowBytesMin)
    window.settled(window.sent(), 100_000_000)
    expect(window.bytes).toBe(LINK_LIMITS.windowBytesMax)
    for (let sent = 0; sent < 3; sent++) {
      await clock.pass(3_000)
      window.settled(window.sent(), 1)
    }
    expect(window.bytes).toBe(LINK_LIMITS.windowBytesMin)
  })
})
