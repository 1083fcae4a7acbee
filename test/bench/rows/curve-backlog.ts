import { type Drained, measureBacklog } from '../backlog-plant.ts'
import { describeMachine } from '../report.ts'
import type { Curve, Row } from '../row.ts'

/** A hundred million take half an hour and 10 GB: `--sizes 1000000 10000000 100000000`. */
const SIZES = { quick: [100_000, 1_000_000], full: [1_000_000, 10_000_000] }

/** A backlog on the gateway's disk, found at its start and drained. */
export const curveBacklog: Row = {
  name: 'curve-backlog',
  title: 'Backlog: time to open, memory of the gateway, speed of the drain from its first tenth to its last',
  isCurve: true,
  measure: async context => {
    const { quick, sizes, say } = context
    const found: Drained[] = []
    for (const records of (sizes ?? (quick ? SIZES.quick : SIZES.full)).toSorted((a, b) => a - b)) {
      const each = await measureBacklog(context, records)
      found.push(each)
      say(
        `${records} records: open after ${each.openSeconds.toFixed(2)} s in ${each.openMib} MiB, drained at ${[each.first, each.middle, each.last].map(Math.round).join(', ')}/s ` +
          `(first, middle, last tenth) in at most ${each.peakMib} MiB`,
      )
    }
    return { figures: [], curves: curvesOf(found) }
  },
}

function curvesOf(found: readonly Drained[]): Curve[] {
  const curve = (name: string, unit: string, cost: Curve['cost'], pick: (each: Drained) => number): Curve => ({
    ...{ name, unit, x: 'records of backlog', ...(cost && { cost }) },
    points: found.map(each => [each.records, pick(each)] as const),
  })
  const { cores } = describeMachine()
  return [
    curve('from start to its first answer', 's', 'total', ({ openSeconds }) => openSeconds),
    curve('edge with the backlog', 'MiB', 'total', ({ openMib }) => openMib),
    curve('edge in the drain, at most', 'MiB', 'total', ({ peakMib }) => peakMib),
    curve('core in the drain, at most', 'MiB', 'total', ({ coreMib }) => coreMib),
    curve('first tenth', 'records/s', undefined, ({ first }) => first),
    curve('middle tenth', 'records/s', undefined, ({ middle }) => middle),
    curve('last tenth', 'records/s', undefined, ({ last }) => last),
    curve('the whole machine, in the last tenth', 'µs per record', 'each', ({ last }) => (cores * 1e6) / last),
    curve('edge', 'CPU-s per million', 'each', ({ edgeCpuPerMillion }) => edgeCpuPerMillion),
    curve('core', 'CPU-s per million', 'each', ({ coreCpuPerMillion }) => coreCpuPerMillion),
  ]
}
