import { describe, expect, it } from 'vitest'
import { MergePace } from '../../src/buffer/merge-pace.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

const MERGES_MAX = 64

function paceOf(): { clock: SimulatedClock; pace: MergePace } {
  const clock = new SimulatedClock()
  return { clock, pace: new MergePace(clock, MERGES_MAX) }
}

describe('how much of a backlog is merged in one commit', () => {
  it('is as much as may be where no records come', () => {
    const { pace } = paceOf()
    pace.committed(MERGES_MAX, 130)
    expect(pace.merges).toBe(MERGES_MAX)
  })

  it('takes half of the durability of what comes meanwhile', () => {
    const { pace } = paceOf()
    pace.committed(MERGES_MAX, 128)
    pace.records(50)
    expect(pace.merges).toBe(12)
    pace.records(100)
    expect(pace.merges).toBe(25)
  })

  it('is never less than goes on with a backlog, nor longer than is live', () => {
    const { pace } = paceOf()
    pace.committed(4, 400)
    pace.records(0)
    expect(pace.merges).toBe(4)
    pace.records(86_400_000)
    expect(pace.merges).toBe(4)
    for (let commit = 0; commit < 50; commit++) pace.committed(10, 19)
    expect(pace.merges).toBe(52)
  })

  it('does not count what the disk takes to sync: fewer merges would make more of those, and these fewer merges', () => {
    const { pace } = paceOf()
    for (let commit = 0; commit < 20; commit++) pace.committed(0, 30)
    pace.records(50)
    for (let commit = 0; commit < 100; commit++) {
      const merges = Math.min(MERGES_MAX, pace.merges)
      pace.committed(merges, 30 + merges * 2)
    }
    expect(pace.merges).toBeGreaterThanOrEqual(12)
  })

  it('counts a part of it in any case, where the disk was slow before and is not any more', () => {
    const { pace } = paceOf()
    pace.committed(0, 1_000)
    pace.committed(10, 100)
    pace.records(50)
    expect(pace.merges).toBe(10)
  })

  it('is all again a second after the last record', async () => {
    const { clock, pace } = paceOf()
    pace.committed(MERGES_MAX, 640)
    pace.records(0)
    expect(pace.merges).toBe(4)
    await clock.pass(1_001)
    expect(pace.merges).toBe(MERGES_MAX)
  })

  it('does not come to a stop at a clock that does not move', () => {
    const { pace } = paceOf()
    pace.committed(1, 0)
    pace.records(0)
    expect(pace.merges).toBe(MERGES_MAX)
  })
})
