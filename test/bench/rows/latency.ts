import { LatencyPlant } from '../latency-plant.ts'
import type { Aim, BenchContext, Figure, Row } from '../row.ts'
import { percentile } from '../watch-log.ts'

const FULL = { durabilities: ['0ms', '1ms', '10ms', '50ms', '100ms', '1s'], rates: [1, 200, 1_000, 10_000], forMs: 10_000 }
const QUICK = { durabilities: ['0ms', '50ms'], rates: [200], forMs: 5_000 }
/**
 * What runs all day is measured, and not what has just been started: for the first ten seconds the code of the gateway, the core and the broker is compiled as it runs. How
 * these are is said beside.
 */
const STARTED_FOR_MS = { quick: 5_000, full: 15_000 }
/** At one a second a few seconds give no percentile. */
const RECORDS_MIN = 20
const WARM_UP_MS = { quick: 500, full: 2_000 }
const PERCENTILES = [
  ['p50', 0.5],
  ['p99', 0.99],
  ['p99.9', 0.999],
] as const
/** At 200 records/s. */
const AIMS: Readonly<Record<string, Aim>> = {
  '0ms p50': { better: 'below', value: 5 },
  '0ms p99': { better: 'below', value: 20 },
  '50ms p50': { better: 'below', value: 40 },
  '50ms p99': { better: 'below', value: 80 },
}
const AIMED_RATE = 200
const SERIAL_CPU_AIM: Aim = { better: 'below', value: 15 }

/** From a device's byte on a pseudo terminal to Kafka, and to an analyser's webhook; the edge's processor time beside it. */
export const latency: Row = {
  name: 'latency',
  title: 'Device byte on a pseudo terminal → in Kafka, and → analyser',
  measure: async context => {
    const { durabilities } = context.quick ? QUICK : FULL
    const figures: Figure[] = []
    for (const durability of durabilities) figures.push(...(await measureOne(context, durability)))
    return { figures }
  },
}

async function measureOne(context: BenchContext, durability: string): Promise<Figure[]> {
  const { rates, forMs } = context.quick ? QUICK : FULL
  const figures: Figure[] = []
  const plant = await LatencyPlant.start(context, { name: `latency-${durability}`, durability })
  try {
    const started = await plant.measure({
      perSecond: AIMED_RATE,
      forMs: context.quick ? STARTED_FOR_MS.quick : STARTED_FOR_MS.full,
      warmUpMs: WARM_UP_MS.quick,
    })
    figures.push({
      name: `durability ${durability}, ${AIMED_RATE} records/s, just started, in Kafka`,
      unit: 'ms, p99',
      values: [percentile(started.kafkaMs, 0.99)],
    })
    for (const perSecond of rates) {
      const lengthMs = Math.max(forMs, (RECORDS_MIN / perSecond) * 1_000)
      const found = await plant.measure({
        perSecond,
        forMs: lengthMs,
        warmUpMs: context.quick ? WARM_UP_MS.quick : WARM_UP_MS.full,
      })
      const name = `durability ${durability}, ${perSecond} records/s`
      for (const [word, part] of PERCENTILES) {
        const aim = perSecond === AIMED_RATE ? AIMS[`${durability} ${word}`] : undefined
        figures.push({ name: `${name}, in Kafka`, unit: `ms, ${word}`, values: [percentile(found.kafkaMs, part)], aim })
        figures.push({ name: `${name}, at the analyser`, unit: `ms, ${word}`, values: [percentile(found.analyserMs, part)] })
      }
      const cpu = (found.edgeCpuSeconds / found.records) * 1e6
      if (perSecond >= 1_000)
        figures.push({ name: `${name}, edge`, unit: 'CPU-s per million', values: [cpu], aim: SERIAL_CPU_AIM })
      const [p50, p99] = [percentile(found.kafkaMs, 0.5), percentile(found.kafkaMs, 0.99)]
      context.say(`${name}: in Kafka p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms of ${found.kafkaMs.length}`)
    }
  } finally {
    await plant.stop()
  }
  return figures
}
