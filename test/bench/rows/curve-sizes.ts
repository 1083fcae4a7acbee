import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type HeadraceRun, runHeadrace } from '../headrace-run.ts'
import { writePayloadOfSize } from '../payload.ts'
import { describeMachine } from '../report.ts'
import type { Curve, Row } from '../row.ts'
import { createTopic, deleteTopics } from '../topics.ts'

const SIZES = { quick: [10, 100, 1_000, 10_000, 100_000], full: [10, 100, 1_000, 10_000, 100_000] }
const SOURCES = 10
/** So much of each size, but no more records than this, and no fewer. */
const BYTES = { quick: 60_000_000, full: 400_000_000 }
const RECORDS_MAX = { quick: 1_000_000, full: 5_000_000 }
/** What a generator may be ahead of the log, bytes: a backlog would be measured otherwise. */
const AHEAD_BYTES = 1_000_000

interface Found {
  readonly bytes: number
  readonly run: HeadraceRun
}

/** Messages of 10 bytes to 100 kB of numbers as text, which compress to about half. */
export const curveSizes: Row = {
  name: 'curve-sizes',
  title: 'Sizes of messages: speed, and what goes to flash and over the network',
  isCurve: true,
  measure: async ({ kafka, folder, quick, sizes, say }) => {
    const found: Found[] = []
    for (const size of (sizes ?? (quick ? SIZES.quick : SIZES.full)).toSorted((a, b) => a - b)) {
      const own = join(folder, `size-${size}`)
      mkdirSync(own)
      const payloadFile = join(own, 'payload')
      const bytes = writePayloadOfSize(payloadFile, size)
      const wanted = Math.min(quick ? RECORDS_MAX.quick : RECORDS_MAX.full, (quick ? BYTES.quick : BYTES.full) / bytes)
      const records = Math.ceil(wanted / SOURCES) * SOURCES
      const topic = `size-${size}`
      await createTopic(kafka, topic, SOURCES)
      const ahead = Math.max(1, Math.ceil(AHEAD_BYTES / bytes))
      const common = { brokers: kafka.addresses, topic, sources: SOURCES, records, payloadFile }
      const run = await runHeadrace({ ...common, shape: 'through', ahead })
      await deleteTopics(kafka, topic)
      found.push({ bytes, run })
      say(
        `${size} bytes: ${Math.round(run.recordsPerSecond)} records/s, ${((run.recordsPerSecond * bytes) / 1e6).toFixed(1)} MB/s, flash ${(run.diskBytesPerRecord / bytes).toFixed(2)}`,
      )
    }
    return { figures: [], curves: curvesOf(found) }
  },
}

function curvesOf(found: readonly Found[]): Curve[] {
  const curve = (name: string, unit: string, cost: Curve['cost'], pick: (run: HeadraceRun, bytes: number) => number): Curve => ({
    ...{ name, unit, x: 'bytes of a message', ...(cost && { cost }) },
    points: found.map(({ bytes, run }) => [Math.round(bytes), pick(run, bytes)] as const),
  })
  const { cores } = describeMachine()
  return [
    curve('store → Kafka', 'records/s', undefined, ({ recordsPerSecond }) => recordsPerSecond),
    curve('store → Kafka', 'MB/s', undefined, ({ recordsPerSecond }, bytes) => (recordsPerSecond * bytes) / 1e6),
    curve('the whole machine', 'µs per record', 'total', ({ recordsPerSecond }) => (cores * 1e6) / recordsPerSecond),
    curve('edge', 'CPU-s per million', 'total', ({ edgeCpuSecondsPerMillion }) => edgeCpuSecondsPerMillion),
    curve('core', 'CPU-s per million', 'total', ({ coreCpuSecondsPerMillion }) => coreCpuSecondsPerMillion),
    curve('to flash', 'bytes per byte', 'each', ({ diskBytesPerRecord }, bytes) => diskBytesPerRecord / bytes),
    curve('over the network', 'bytes per byte', 'each', ({ networkBytesPerRecord }, bytes) => networkBytesPerRecord / bytes),
  ]
}
