import { type AtPartitions, PartitionsPlant } from '../partitions-plant.ts'
import type { Curve, Row } from '../row.ts'

const SIZES = { quick: [10, 100, 1_000], full: [10, 100, 1_000, 10_000] }

/** Partitions that one core reads for an analyser and a batch job, at the same small rate over all of them. */
export const curvePartitions: Row = {
  name: 'curve-partitions',
  title: 'Partitions that are read: cost of watching them, time to the alert, time of a batch run',
  isCurve: true,
  measure: async context => {
    const { quick, sizes, say } = context
    const plant = await PartitionsPlant.start(context)
    const found: AtPartitions[] = []
    try {
      for (const partitions of (sizes ?? (quick ? SIZES.quick : SIZES.full)).toSorted((a, b) => a - b)) {
        const each = await plant.measure(partitions, quick)
        found.push(each)
        say(textOf(each))
      }
    } finally {
      await plant.end()
    }
    return { figures: [], curves: curvesOf(found) }
  },
}

function textOf({ partitions, ...each }: AtPartitions): string {
  return (
    `${partitions} partitions: core ${each.idlePercent.toFixed(1)} % of a processor idle and ${each.steadyPercent.toFixed(1)} % at the small rate, ${each.peakMib} MiB at most, ` +
    `alert p50 ${each.p50Ms.toFixed(1)} ms p99 ${each.p99Ms.toFixed(1)} ms, a batch run ${each.runSeconds.toFixed(1)} s`
  )
}

function curvesOf(found: readonly AtPartitions[]): Curve[] {
  const curve = (name: string, unit: string, cost: Curve['cost'], pick: (each: AtPartitions) => number): Curve => ({
    ...{ name, unit, x: 'partitions', ...(cost && { cost }) },
    points: found.map(each => [each.partitions, pick(each)] as const),
  })
  return [
    curve('core that watches, nothing comes', '% of a processor', 'total', ({ idlePercent }) => idlePercent),
    curve('core that watches, small rate', '% of a processor', 'total', ({ steadyPercent }) => steadyPercent),
    curve('core at most', 'MiB', 'total', ({ peakMib }) => peakMib),
    curve('alert, p50', 'ms from the log’s answer', undefined, ({ p50Ms }) => p50Ms),
    curve('alert, p99', 'ms from the log’s answer', undefined, ({ p99Ms }) => p99Ms),
    curve('batch run over all', 's', 'total', ({ runSeconds }) => runSeconds),
  ]
}
