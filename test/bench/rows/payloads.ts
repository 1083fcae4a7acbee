import { join } from 'node:path'
import { runHeadrace } from '../headrace-run.ts'
import { runJavaProducer } from '../java-producer.ts'
import { PAYLOAD_KINDS, type PayloadKind, writePayloadFile } from '../payload.ts'
import type { BenchContext, Figure, Row } from '../row.ts'
import { createTopic, deleteTopics } from '../topics.ts'

const SOURCES = 50
/** Bytes of records in each run, so that what is large does not take ten times as long; with less, the start of Java and of ours would be a large part of it. */
const BYTES = { quick: 60_000_000, full: 1_200_000_000 }
/** What a generator may be ahead of the log, bytes: several blocks of each source, so that none waits for its own outcome. */
const AHEAD_BYTES = 1_500_000
const QUICK_KINDS: readonly PayloadKind[] = ['incompressible']

/** What devices really send, each kind beside the Java producer with the same records. */
export const payloads: Row = {
  name: 'payloads',
  title: 'Other payloads: meter values, NMEA, JSON of 500 and 2,000 bytes, what does not compress',
  measure: async context => {
    const figures: Figure[] = []
    const kinds = context.quick ? QUICK_KINDS : PAYLOAD_KINDS.filter(kind => kind !== 'meter')
    for (const kind of kinds) figures.push(...(await measureKind(context, kind)))
    return { figures }
  },
}

async function measureKind({ kafka, folder, quick, rounds, say }: BenchContext, kind: PayloadKind): Promise<Figure[]> {
  const payloadFile = join(folder, `payload-${kind}`)
  const bytes = writePayloadFile(payloadFile, kind)
  const records = Math.ceil((quick ? BYTES.quick : BYTES.full) / bytes / SOURCES) * SOURCES
  const found: { java: number; perSecond: number; flash: number; network: number }[] = []
  for (let round = 1; round <= (quick ? 1 : rounds); round++) {
    const topics = [`java-${kind}-${round}`, `${kind}-${round}`] as const
    await createTopic(kafka, topics[0], SOURCES)
    const java = await runJavaProducer(kafka, { topic: topics[0], records, payloadFile })
    const common = { brokers: kafka.addresses, sources: SOURCES, records, payloadFile }
    const run = await runHeadrace({ ...common, topic: topics[1], shape: 'through', ahead: Math.ceil(AHEAD_BYTES / bytes) })
    await deleteTopics(kafka, ...topics)
    found.push({
      java: java.recordsPerSecond,
      perSecond: run.recordsPerSecond,
      flash: run.diskBytesPerRecord / bytes,
      network: run.networkBytesPerRecord / bytes,
    })
    say(`${kind}, ${bytes.toFixed(0)} bytes: ${Math.round(run.recordsPerSecond)}/s, Java ${Math.round(java.recordsPerSecond)}/s`)
  }
  const figure = (name: string, unit: string, values: number[]): Figure => ({ name: `${kind}, ${name}`, unit, values })
  return [
    figure(
      'edge store → Kafka',
      'records/s',
      found.map(({ perSecond }) => perSecond),
    ),
    figure(
      'edge store → Kafka',
      '× Java',
      found.map(({ perSecond, java }) => perSecond / java),
    ),
    figure(
      'to flash',
      'bytes per byte',
      found.map(({ flash }) => flash),
    ),
    figure(
      'over the network',
      'bytes per byte',
      found.map(({ network }) => network),
    ),
  ]
}
