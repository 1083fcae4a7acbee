/**
 * From arrival in the log to the alert: one core with 100 analysers over 50 sources at 10,000 records/s, on a real Kafka. Half of the analysers have
 * a window of a second, half look at each record. Each source has a batch every so often, as its gateway's durability would make it, in turn with
 * the others. `npm run bench:analysers [seconds] [folder]`: in the folder lies the core's CPU profile afterwards.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { readArguments, wholeNumber } from '../../scripts/arguments.ts'
import { controlPath } from '../../src/cli/state-paths.ts'
import { control } from '../../src/console/control-client.ts'
import { openKafkaLog } from '../../src/log/kafka/kafka-log.ts'
import type { Log } from '../../src/log/log.ts'
import { pause, systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { HeadraceProcess } from '../support/headrace-process.ts'
import { KafkaCluster } from '../support/kafka/cluster.ts'
import { until } from '../support/until.ts'
import { AlertReceiver, monotonicMs } from './alert-receiver.ts'
import { cpuSeconds, peakRssMib, profileArgs } from './process-figures.ts'
import { SourceWriter, type WrittenRecord } from './source-writer.ts'

const command = new Command('npm run bench:analysers --')
  .description('From arrival in the log to the alert.')
  .argument('[seconds]', 'how long', wholeNumber(1), 20)
  .argument('[folder]', 'where the core’s CPU profile goes')
  .option('--every <ms>', 'a batch of each source', wholeNumber(10), 100)
const { every: BATCH_EVERY_MS } = readArguments<{ every: number }>(command)
const [SECONDS, PROFILE_FOLDER] = command.processedArgs as [number, string | undefined]
const SOURCES = 50
const ANALYSERS = 100
const RECORDS_PER_SECOND = 10_000
/** Of the rounds of one batch's time, each brings the batches of its share of the sources. */
const ROUND_MS = 10
/** Sources that make the windowed analysers speak, every second. */
const FLIPPING = 2
/** Broker and core have just started: what they compile of themselves meanwhile takes the same two cores. */
const WARM_UP_SECONDS = 45
const TOPIC = 'bench-analysers'

/** Monotonic ms at which the log had said that it has what an alert follows from. */
const arrivedMs = new Map<string, number>()

function pipelineText(port: number): string {
  const alert = `alert: { webhook: "http://127.0.0.1:${port}/" }`
  const analysers = Array.from({ length: ANALYSERS }, (_, index) =>
    index % 2 === 0
      ? `  w-${index}: { every: 1s, when: "last(flip) > 0 && avg(bar) + ${index} > 0", ${alert} }`
      : `  r-${index}: { when: "trigger == ${index}", ${alert} }`,
  )
  return `pipeline: ${TOPIC}\nanalysers:\n${analysers.join('\n')}\n`
}

/** What follows from a source's records is counted from the moment at which the log has them. */
class Writer {
  readonly #writer: SourceWriter
  #second = 0

  constructor(log: Log, index: number) {
    this.#writer = new SourceWriter(log, `source-${index}`, TOPIC)
  }

  async write(records: readonly (WrittenRecord & { trigger: boolean })[]): Promise<void> {
    await this.#writer.write(records)
    const nowMs = monotonicMs()
    for (const { timeMs, trigger } of records) {
      if (trigger) arrivedMs.set(`record ${this.#writer.name} ${timeMs}`, nowMs)
      const second = Math.floor(timeMs / 1_000) * 1_000
      if (second > this.#second) arrivedMs.set(`window ${this.#writer.name} ${second}`, nowMs)
      this.#second = Math.max(this.#second, second)
    }
  }
}

const kafka = await KafkaCluster.start()
const folder = mkdtempSync(join(tmpdir(), 'headrace-bench-'))
const log = await openKafkaLog({ brokers: kafka.addresses, client_id: 'bench' }, { clock: systemClock, log: silentLogger })
const receiver = await AlertReceiver.start()
writeFileSync(join(folder, 'p.yaml'), pipelineText(receiver.port))
const config = join(folder, 'core.yaml')
writeFileSync(
  config,
  `state: ${folder}/core\nlog: { kafka: { brokers: ${JSON.stringify(kafka.addresses)} } }\npipelines: [p.yaml]\n`,
)
const core = new HeadraceProcess({
  name: 'core',
  args: ['core', '--config', config, '--log-level', 'error'],
  logPath: join(folder, 'core.log'),
  nodeArgs: PROFILE_FOLDER === undefined ? [] : profileArgs(PROFILE_FOLDER),
})
try {
  core.start()
  const shards = () =>
    control<{ analyser_shards: number[] }>(controlPath(join(folder, 'core'), 'core'), 'status').catch(() => undefined)
  await until('the core keeps all shards', async () => (await shards())?.analyser_shards.length === 8, 60_000)
  const writers = Array.from({ length: SOURCES }, (_, index) => new Writer(log, index))
  const shares = Math.round(BATCH_EVERY_MS / ROUND_MS)
  const each = Math.round((RECORDS_PER_SECOND * ROUND_MS * shares) / 1_000 / SOURCES)
  const startMs = performance.now()
  let [rounds, trigger, cpuFrom, measuredFromMs] = [0, 1, 0, Number.POSITIVE_INFINITY]
  for (; rounds * ROUND_MS < (SECONDS + WARM_UP_SECONDS) * 1_000; rounds++) {
    if (rounds * ROUND_MS === WARM_UP_SECONDS * 1_000) {
      measuredFromMs = monotonicMs()
      cpuFrom = cpuSeconds(core.pid ?? 0)
    }
    const timeMs = Date.now()
    trigger = (trigger + 2) % ANALYSERS
    const flip = Math.floor(timeMs / 1_000) % 2
    const inTurn = writers.map((writer, index) => ({ writer, index })).filter(({ index }) => index % shares === rounds % shares)
    await Promise.all(
      inTurn.map(({ writer, index }, at) =>
        writer.write(
          Array.from({ length: each }, (_, record) => {
            const isTrigger = at === 0 && record === 0
            const value = {
              bar: 5 + record,
              oil_c: 70.5,
              state: 'run',
              flip: index < FLIPPING ? flip : 0,
              trigger: isTrigger ? trigger : -1,
            }
            return { timeMs, trigger: isTrigger, value }
          }),
        ),
      ),
    )
    const dueMs = startMs + (rounds + 1) * ROUND_MS
    if (dueMs > performance.now()) await pause(systemClock, dueMs - performance.now())
  }
  const seconds = (performance.now() - startMs) / 1_000
  const cpu = (cpuSeconds(core.pid ?? 0) - cpuFrom) / (seconds - WARM_UP_SECONDS)
  console.log(`${ANALYSERS} analysers, ${SOURCES} sources, ${Math.round((rounds * each * SOURCES) / shares / seconds)} records/s`)
  const peak = peakRssMib(core.pid ?? 0)
  console.log(`core: ${cpu.toFixed(2)} CPUs, ${peak} MiB at most`)
  const latencies = { window: [] as number[], record: [] as number[] }
  await core.stop()
  for (const { analyser, source, time_ms, atMs } of await receiver.received()) {
    const kind = analyser.startsWith('w') ? 'window' : 'record'
    const since = arrivedMs.get(`${kind} ${source} ${time_ms}`)
    if (since !== undefined && since >= measuredFromMs) latencies[kind].push(atMs - since)
  }
  for (const [kind, found] of Object.entries(latencies)) {
    const sorted = found.toSorted((a, b) => a - b)
    const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))]?.toFixed(1)
    console.log(`${kind}: ${sorted.length} alerts, ms from the log's answer: p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)}`)
  }
} finally {
  await core.end()
  await receiver.end()
  await log.close()
  await kafka.stop()
  rmSync(folder, { recursive: true, force: true })
}
