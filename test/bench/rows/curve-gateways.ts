import { pause, systemClock } from '../../../src/runtime/clock.ts'
import { Fleet } from '../../interconnect/fleet.ts'
import { until } from '../../support/until.ts'
import { cpuSeconds } from '../process-figures.ts'
import type { Curve, Row } from '../row.ts'

const SIZES = { quick: [1, 10, 100], full: [1, 10, 100, 1_000, 10_000] }
/** Of each gateway: what a source more costs is another curve. */
const SOURCES = 1
const PARTITIONS_PER_TOPIC = 1_000
/** The gateways are let in by hundreds, as they would come to life. */
const GATEWAYS_AT_ONCE = 100
const SETTLE_MS = 3_000
const IDLE_MS = { quick: 5_000, full: 20_000 }
/** A partition takes the broker a moment to make, ms. */
const LIMIT_MS_PER_GATEWAY = 1_500

interface Found {
  readonly gateways: number
  /** Until all of them are in, over all additions so far, seconds. */
  readonly inSeconds: number
  readonly rssMib: number
  readonly heapMib: number
  /** Processor time of the cores with nothing to do, % of a processor. */
  readonly idlePercent: number
}

/** Gateways with a source each, all in one process, over real connections before two cores in another and a real Kafka. */
export const curveGateways: Row = {
  name: 'curve-gateways',
  title: 'Gateways on two cores: memory, processor time with nothing to do, time until all are in',
  isCurve: true,
  measure: async ({ kafka, quick, sizes, say }) => {
    const steps = (sizes ?? (quick ? SIZES.quick : SIZES.full)).toSorted((a, b) => a - b)
    const topics = Math.max(1, Math.ceil(((steps.at(-1) ?? 1) * SOURCES) / PARTITIONS_PER_TOPIC))
    const { fleet, idle } = await Fleet.start({ sources: SOURCES, brokers: kafka.addresses, topics })
    const found: Found[] = []
    try {
      let inSeconds = 0
      for (const gateways of steps) {
        inSeconds += await letIn(fleet, found.at(-1)?.gateways ?? 0, gateways)
        await pause(systemClock, SETTLE_MS)
        const idlePercent = await idleOf(fleet.coresPid, quick ? IDLE_MS.quick : IDLE_MS.full)
        const report = await fleet.tell('report')
        const mib = (what: 'rssBytes' | 'heapBytes') => Math.max(0, report[what] - idle[what]) / 2 ** 20
        found.push({ gateways, inSeconds, idlePercent, rssMib: mib('rssBytes'), heapMib: mib('heapBytes') })
        say(
          `${gateways} gateways: in after ${inSeconds.toFixed(1)} s, ${mib('rssBytes').toFixed(1)} MiB (heap ${mib('heapBytes').toFixed(1)}), idle ${idlePercent.toFixed(2)} %`,
        )
      }
    } finally {
      await fleet.end()
    }
    return { figures: [], curves: curvesOf(found) }
  },
}

async function letIn(fleet: Fleet, have: number, gateways: number): Promise<number> {
  const fromMs = performance.now()
  for (let now = have; now < gateways; ) {
    now += Math.min(GATEWAYS_AT_ONCE, gateways - now)
    fleet.add(now - fleet.buffers.length)
    const sources = now * SOURCES
    await until(`${now} gateways are in`, () => fleet.opened() === sources, 60_000 + gateways * LIMIT_MS_PER_GATEWAY)
  }
  return (performance.now() - fromMs) / 1_000
}

async function idleOf(pid: number, forMs: number): Promise<number> {
  const before = cpuSeconds(pid)
  const fromMs = performance.now()
  await pause(systemClock, forMs)
  return ((cpuSeconds(pid) - before) / ((performance.now() - fromMs) / 1_000)) * 100
}

function curvesOf(found: readonly Found[]): Curve[] {
  const curve = (name: string, unit: string, pick: (each: Found) => number): Curve => ({
    ...{ name, unit, x: 'gateways', cost: 'total' },
    points: found.map(each => [each.gateways, pick(each)] as const),
  })
  return [
    curve('cores, above nothing', 'MiB', ({ rssMib }) => rssMib),
    curve('cores’ heap, above nothing', 'MiB', ({ heapMib }) => heapMib),
    curve('cores, nothing to do', '% of a processor', ({ idlePercent }) => idlePercent),
    curve('until all are in', 's', ({ inSeconds }) => inSeconds),
  ]
}
