/**
 * `npm run bench`: edge store → Kafka beside Kafka's own ProducerPerformance, same payload, same broker, in turn.
 * `-- --quick` in two minutes, `-- --rounds 5`, `-- --json FILE`; `-- --reader 10000000` measures the batch reader alone.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, release, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { table } from '../../src/cli/output.ts'
import { KafkaCluster } from '../support/kafka/cluster.ts'
import { benchBatchReader } from './batch-reader.ts'
import { type HeadraceRun, runHeadrace } from './headrace-run.ts'
import { runJavaProducer } from './java-producer.ts'
import { writePayloadFile } from './payload.ts'
import { type Spread, spreadOf } from './spread.ts'

const SOURCES = 50
const QUICK = { rounds: 2, records: 1_500_000 }
const FULL = { rounds: 5, records: 4_000_000 }

interface Round {
  readonly java: number
  readonly through: HeadraceRun
  readonly drain: HeadraceRun
}

/** The batch reader alone, over so many records; one round unless told. */
async function benchReader(records: number, rounds: number): Promise<void> {
  const kafka = await KafkaCluster.start({ heapMb: 1_024 })
  try {
    await benchBatchReader(kafka, { records, rounds })
  } finally {
    await kafka.stop()
  }
}

async function bench(options: { quick?: true; rounds?: string; json?: string; reader?: string }): Promise<void> {
  if (options.reader !== undefined) return benchReader(Number(options.reader), Number(options.rounds ?? 1))
  const { rounds: usual, records } = options.quick ? QUICK : FULL
  const rounds = options.rounds === undefined ? usual : Number(options.rounds)
  const folder = mkdtempSync(join(tmpdir(), 'headrace-bench-payload-'))
  const kafka = await KafkaCluster.start({ heapMb: 1_024 })
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'CPU'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}`
  try {
    const payloadFile = join(folder, 'payload')
    const bytes = writePayloadFile(payloadFile)
    process.stdout.write(
      `${machine}\n${records} records of ${bytes.toFixed(0)} bytes, ${SOURCES} sources, ${rounds} rounds in turn\n`,
    )
    const measured: Round[] = []
    // The first round warms the broker and is not counted.
    for (let round = 0; round <= rounds; round++) {
      const common = { brokers: kafka.addresses, sources: SOURCES, records, payloadFile }
      const javaTopic = `java-${round}`
      await createTopic(kafka, javaTopic)
      const { recordsPerSecond: java } = await runJavaProducer(kafka, { topic: javaTopic, records, payloadFile })
      const through = await runHeadrace({ ...common, topic: `through-${round}`, shape: 'through' })
      const drain = await runHeadrace({ ...common, topic: `drain-${round}`, shape: 'drain' })
      for (const topic of [javaTopic, `through-${round}`, `drain-${round}`]) await deleteTopic(kafka, topic)
      const counted = round === 0 ? 'not counted' : `${(through.recordsPerSecond / java).toFixed(2)} × Java`
      const say = (value: number) => Math.round(value).toLocaleString('en')
      process.stdout.write(
        `round ${round}: Java ${say(java)}/s, through ${say(through.recordsPerSecond)}/s, drain ${say(drain.recordsPerSecond)}/s, ${counted}\n`,
      )
      if (round > 0) measured.push({ java, through, drain })
    }
    await benchBatchReader(kafka, { records: options.quick ? 2_000_000 : 10_000_000, rounds })
    report(measured, { machine, records, bytes, json: options.json })
  } finally {
    await kafka.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

function report(
  rounds: readonly Round[],
  about: { machine: string; records: number; bytes: number; json: string | undefined },
): void {
  const of = (pick: (round: Round) => number) => spreadOf(rounds.map(pick))
  const figures: Record<string, Spread> = {
    'Java ProducerPerformance, no store, records/s': of(({ java }) => java),
    'edge store → Kafka, records/s': of(({ through }) => through.recordsPerSecond),
    'edge store → Kafka, × Java': of(({ through, java }) => through.recordsPerSecond / java),
    'drain after an outage, records/s': of(({ drain }) => drain.recordsPerSecond),
    'drain after an outage, × Java': of(({ drain, java }) => drain.recordsPerSecond / java),
    'core, CPU-s per million records': of(({ through }) => through.coreCpuSecondsPerMillion),
    'core in a drain, CPU-s per million records': of(({ drain }) => drain.coreCpuSecondsPerMillion),
    'edge with its generators, CPU-s per million records': of(({ through }) => through.edgeCpuSecondsPerMillion),
    'edge, peak MiB': of(({ through }) => through.edgePeakMib),
    'edge in a drain, peak MiB': of(({ drain }) => drain.edgePeakMib),
    'core, peak MiB': of(({ through }) => through.corePeakMib),
    'edge, bytes to disk per byte of records': of(({ through }) => through.diskBytesPerRecord / about.bytes),
  }
  const short = (value: number) => (value >= 1_000 ? Math.round(value).toLocaleString('en') : value.toFixed(2))
  const rows = Object.entries(figures).map(([name, { median, min, max }]) => [
    name,
    short(median),
    `${short(min)} … ${short(max)}`,
  ])
  process.stdout.write(`\n${table(['figure', 'median', 'min … max'], rows)}\n`)
  if (about.json !== undefined) {
    writeFileSync(about.json, `${JSON.stringify({ ...about, json: undefined, rounds, figures }, null, 2)}\n`)
  }
}

async function createTopic(kafka: KafkaCluster, topic: string): Promise<void> {
  await topicTool(kafka, ['--create', '--topic', topic, '--partitions', String(SOURCES), '--replication-factor', '1'])
}

/** So that the disk and the page cache do not fill from one round to the next. */
async function deleteTopic(kafka: KafkaCluster, topic: string): Promise<void> {
  await topicTool(kafka, ['--delete', '--topic', topic])
}

async function topicTool(kafka: KafkaCluster, args: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await kafka.tool('org.apache.kafka.tools.TopicCommand', [
    '--bootstrap-server',
    kafka.bootstrap,
    ...args,
  ])
  if (code !== 0) throw new Error(`${stdout}${stderr}`)
}

await new Command('npm run bench --')
  .option('--quick', 'fewer records and rounds')
  .option('--reader <records>', 'the batch reader alone')
  .option('--rounds <count>', 'rounds that count')
  .option('--json <file>', 'results as JSON')
  .action(bench)
  .parseAsync()
