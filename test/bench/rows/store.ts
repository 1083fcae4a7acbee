import { join } from 'node:path'
import { type HeadraceRun, runHeadrace } from '../headrace-run.ts'
import { runJavaProducer } from '../java-producer.ts'
import { writePayloadFile } from '../payload.ts'
import type { BenchContext, Figure, Row } from '../row.ts'
import { createTopic, deleteTopics } from '../topics.ts'

const SOURCES = 50
/** Fewer, and the starts would be a large part of what is measured: Java's of its producer, ours of two processes whose code is compiled as it runs. */
const RECORDS = { quick: 1_250_000, full: 12_000_000 }
const WARM_UP_RECORDS = 300_000

interface Round {
  readonly java: number
  readonly through: HeadraceRun
  readonly drain: HeadraceRun
}

/** Edge store → Kafka beside Kafka's own ProducerPerformance, which has no store: same payload, same broker, in turn. */
export const store: Row = {
  name: 'store',
  title: 'Edge store → Kafka, and a drain after an outage, beside the Java producer',
  measure: async context => {
    const payloadFile = join(context.folder, 'payload')
    const bytes = writePayloadFile(payloadFile)
    const records = context.quick ? RECORDS.quick : RECORDS.full
    const rounds: Round[] = []
    // What comes first warms the broker and is not counted: a whole round, or a short run of Java's.
    if (context.quick) await warm(context, payloadFile)
    for (let round = context.quick ? 1 : 0; round <= context.rounds; round++) {
      const found = await measureRound(context, { round, records, payloadFile })
      context.say(roundText(found))
      if (round > 0) rounds.push(found)
    }
    return { figures: figuresOf(rounds, bytes) }
  },
}

async function warm({ kafka }: BenchContext, payloadFile: string): Promise<void> {
  await createTopic(kafka, 'warm', SOURCES)
  await runJavaProducer(kafka, { topic: 'warm', records: WARM_UP_RECORDS, payloadFile })
  await deleteTopics(kafka, 'warm')
}

async function measureRound(
  { kafka }: BenchContext,
  options: { round: number; records: number; payloadFile: string },
): Promise<Round> {
  const { round, records, payloadFile } = options
  const common = { brokers: kafka.addresses, sources: SOURCES, records, payloadFile }
  const topics = { java: `java-${round}`, through: `through-${round}`, drain: `drain-${round}` }
  await createTopic(kafka, topics.java, SOURCES)
  const { recordsPerSecond: java } = await runJavaProducer(kafka, { topic: topics.java, records, payloadFile })
  const through = await runHeadrace({ ...common, topic: topics.through, shape: 'through' })
  const drain = await runHeadrace({ ...common, topic: topics.drain, shape: 'drain' })
  await deleteTopics(kafka, ...Object.values(topics))
  return { java, through, drain }
}

function roundText({ java, through, drain }: Round): string {
  const say = (value: number) => Math.round(value).toLocaleString('en')
  return `Java ${say(java)}/s, through ${say(through.recordsPerSecond)}/s, drain ${say(drain.recordsPerSecond)}/s, ${(through.recordsPerSecond / java).toFixed(2)} × Java`
}

function figuresOf(rounds: readonly Round[], bytes: number): Figure[] {
  const figure = (name: string, unit: string, pick: (round: Round) => number, aim?: Figure['aim']): Figure => ({
    name,
    unit,
    values: rounds.map(pick),
    aim,
  })
  return [
    figure('Java ProducerPerformance, no store', 'records/s', ({ java }) => java),
    figure('edge store → Kafka', 'records/s', ({ through }) => through.recordsPerSecond),
    figure('edge store → Kafka', '× Java', ({ through, java }) => through.recordsPerSecond / java, {
      better: 'above',
      value: 1.5,
    }),
    figure('drain after an outage', 'records/s', ({ drain }) => drain.recordsPerSecond, { better: 'above', value: 300_000 }),
    figure('drain after an outage', '× Java', ({ drain, java }) => drain.recordsPerSecond / java),
    figure('core', 'CPU-s per million', ({ through }) => through.coreCpuSecondsPerMillion, { better: 'below', value: 0.6 }),
    figure('core in a drain', 'CPU-s per million', ({ drain }) => drain.coreCpuSecondsPerMillion, {
      better: 'below',
      value: 0.6,
    }),
    figure('edge with its generators', 'CPU-s per million', ({ through }) => through.edgeCpuSecondsPerMillion),
    figure('edge', 'MiB at most', ({ through }) => through.edgePeakMib),
    figure('edge in a drain', 'MiB at most', ({ drain }) => drain.edgePeakMib),
    figure('core', 'MiB at most', ({ through }) => through.corePeakMib),
    figure('edge, to flash', 'bytes per byte', ({ through }) => through.diskBytesPerRecord / bytes, {
      better: 'below',
      value: 0.6,
    }),
  ]
}
