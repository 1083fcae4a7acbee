import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { openKafkaLog } from '../../src/log/kafka/kafka-log.ts'
import type { Log } from '../../src/log/log.ts'
import { BatchWriter } from '../../src/record/batch-writer.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { PAYLOAD_BYTES_MAX, seedOf, writePayload } from '../../src/source/generator-payload.ts'
import type { KafkaCluster } from '../support/kafka/cluster.ts'

const CHILD = fileURLToPath(new URL('./batch-reader-child.ts', import.meta.url))
const TOPIC = 'bench-batch'
const SOURCES = 50
const BATCH_RECORDS = 4_000
const START_MS = 1_767_225_600_000
const LIMIT_MS = 600_000

export interface ReaderRound {
  readonly java: number
  readonly reader: { readonly recordsPerSecond: number; readonly cpuSecondsPerMillion: number; readonly peakMib: number }
}

/** The batch reader into `cat > file` beside Kafka's own ConsumerPerformance, which writes nothing, on the same topic, in turn. */
export async function benchBatchReader(
  kafka: KafkaCluster,
  options: { records: number; rounds: number; warmUps: number },
): Promise<ReaderRound[]> {
  const { records, rounds, warmUps } = options
  const log = await openKafkaLog({ brokers: kafka.addresses, client_id: 'bench' }, { clock: systemClock, log: silentLogger })
  try {
    for (let source = 0; source < SOURCES; source++) await lay(log, `source-${source}`, Math.ceil(records / SOURCES))
  } finally {
    await log.close()
  }
  const measured: ReaderRound[] = []
  // The first rounds warm the broker and are not counted.
  for (let round = 1 - warmUps; round <= rounds; round++) {
    const java = await runJavaConsumer(kafka, records, round)
    const reader = runReader(kafka, records, round)
    if (round > 0) measured.push({ java, reader })
  }
  return measured
}

async function lay(log: Log, name: string, records: number): Promise<void> {
  const claim = await log.claim({ gateway: 'bench', source: name }, TOPIC)
  const writer = new BatchWriter()
  const scratch = Buffer.alloc(PAYLOAD_BYTES_MAX)
  const seed = seedOf(1, name)
  const { producerId, epoch, epochStart } = claim
  let { proof } = await log.end(claim)
  for (let from = 0; from < records; from += BATCH_RECORDS) {
    writer.begin({ key: `bench/${name}`, producerId, epoch, epochStart, sequence: from })
    for (let index = from; index < Math.min(records, from + BATCH_RECORDS); index++)
      writer.append(START_MS + index, scratch, 0, writePayload('meter', seed, index, 0, scratch, 0))
    const appended = await log.append(claim, writer.finish('zstd'), proof)
    if (appended.outcome === 'refused' && appended.reason === 'proof_void') {
      proof = (await log.end(claim)).proof
      from -= BATCH_RECORDS
    } else if (appended.outcome !== 'appended') throw new Error(`the log did not take it: ${JSON.stringify(appended)}`)
  }
}

async function runJavaConsumer(kafka: KafkaCluster, records: number, round: number): Promise<number> {
  const { code, stdout, stderr } = await kafka.tool(
    'org.apache.kafka.tools.ConsumerPerformance',
    [
      ...['--bootstrap-server', kafka.bootstrap, '--topic', TOPIC, '--num-records', String(records), '--group', `bench-${round}`],
      ...['--timeout', '60000', '--hide-header'],
    ],
    { limitMs: LIMIT_MS, javaFlags: ['-Xmx512m'] },
  )
  // start, end, MB, MB/s, records, records/s, rebalance ms, fetch ms, fetch MB/s, fetch records/s
  const cells = stdout.trim().split('\n').at(-1)?.split(/,\s+/) ?? []
  const perSecond = Number(cells[9])
  if (code !== 0 || !(perSecond > 0)) throw new Error(`ConsumerPerformance failed:\n${stdout}${stderr}`)
  return perSecond
}

function runReader(kafka: KafkaCluster, records: number, round: number): ReaderRound['reader'] {
  const run = spawnSync(process.execPath, [CHILD, kafka.bootstrap, TOPIC, String(round)], { encoding: 'utf8', timeout: LIMIT_MS })
  if (run.status !== 0) throw new Error(`the batch reader failed:\n${run.stderr}`)
  const found = JSON.parse(run.stdout) as { records: number; seconds: number; cpuSeconds: number; peakMib: number }
  if (found.records < records) throw new Error(`the batch reader read ${found.records} of ${records} records`)
  return {
    recordsPerSecond: found.records / found.seconds,
    cpuSecondsPerMillion: (found.cpuSeconds / found.records) * 1e6,
    peakMib: found.peakMib,
  }
}
