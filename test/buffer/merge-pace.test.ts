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
    pace.committed(0, 1)
    pace.records(86_400_000)
    expect(pace.merges).toBe(4)
    for (let commit = 0; commit < 50; commit++) pace.committed(10, 19)
    expect(pace.merges).toBe(52)
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
