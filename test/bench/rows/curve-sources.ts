import { describeMachine } from '../report.ts'
import type { Curve, Row } from '../row.ts'
import { type AtSize, measureSources } from '../sources-plant.ts'

const SIZES = { quick: [1, 10, 100, 1_000], full: [1, 10, 100, 1_000, 10_000] }

/** Sources, with a partition each, on one gateway before one core and a real Kafka. */
export const curveSources: Row = {
  name: 'curve-sources',
  title: 'Sources on one gateway: speed, memory, latency and cost of a steady small rate, time to open',
  isCurve: true,
  measure: async context => {
    const { quick, sizes, say } = context
    const found: AtSize[] = []
    for (const sources of (sizes ?? (quick ? SIZES.quick : SIZES.full)).toSorted((a, b) => a - b)) {
      const each = await measureSources(context, sources)
      found.push(each)
      say(textOf(each))
    }
    return { figures: [], curves: curvesOf(found) }
  },
}

function textOf({ sources, ...each }: AtSize): string {
  return (
    `${sources} sources: ${Math.round(each.recordsPerSecond)}/s, edge ${each.edgeMib} MiB, core ${each.coreMib} MiB, steady p50 ${each.p50Ms.toFixed(1)} ms ` +
    `p99 ${each.p99Ms.toFixed(1)} ms, edge ${each.edgeSteadyPercent.toFixed(1)} % and core ${each.coreSteadyPercent.toFixed(1)} % of a processor, ` +
    `open after ${each.firstOpenSeconds.toFixed(1)} s, again after ${each.openSeconds.toFixed(1)} s`
  )
}

function curvesOf(found: readonly AtSize[]): Curve[] {
  const curve = (name: string, unit: string, cost: Curve['cost'], pick: (each: AtSize) => number): Curve => ({
    ...{ name, unit, x: 'sources', ...(cost && { cost }) },
    points: found.map(each => [each.sources, pick(each)] as const),
  })
  const cores = describeMachine().cores
  return [
    curve('store → Kafka', 'records/s', undefined, ({ recordsPerSecond }) => recordsPerSecond),
    curve('the whole machine', 'µs per record', 'each', ({ recordsPerSecond }) => (cores * 1e6) / recordsPerSecond),
    curve('edge', 'CPU-s per million', 'each', ({ edgeCpuPerMillion }) => edgeCpuPerMillion),
    curve('core', 'CPU-s per million', 'each', ({ coreCpuPerMillion }) => coreCpuPerMillion),
    curve('edge at most', 'MiB', 'total', ({ edgeMib }) => edgeMib),
    curve('core at most', 'MiB', 'total', ({ coreMib }) => coreMib),
    curve('in Kafka, p50', 'ms at a steady small rate', undefined, ({ p50Ms }) => p50Ms),
    curve('in Kafka, p99', 'ms at a steady small rate', undefined, ({ p99Ms }) => p99Ms),
    curve('edge at a steady small rate', '% of a processor', 'total', ({ edgeSteadyPercent }) => edgeSteadyPercent),
    curve('core at a steady small rate', '% of a processor', 'total', ({ coreSteadyPercent }) => coreSteadyPercent),
    curve('the first time, partitions made', 's until all may send', 'total', ({ firstOpenSeconds }) => firstOpenSeconds),
    curve('again', 's until all may send', 'total', ({ openSeconds }) => openSeconds),
  ]
}
