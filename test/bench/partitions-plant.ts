import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openKafkaLog } from '../../src/log/kafka/kafka-log.ts'
import type { Log } from '../../src/log/log.ts'
import { SHARDS } from '../../src/reader/realtime/definition.ts'
import { pause, systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { headrace } from '../support/headrace-process.ts'
import { until } from '../support/until.ts'
import { AlertReceiver, monotonicMs } from './alert-receiver.ts'
import { cpuSeconds, peakRssMib } from './process-figures.ts'
import { BenchProcess } from './processes.ts'
import type { BenchContext } from './row.ts'
import { SourceWriter } from './source-writer.ts'
import { percentile } from './watch-log.ts'

const TOPIC = 'curve-partitions'
/** Batches of one record each, over all sources in turn: what each costs must not depend on how many partitions are read beside. */
const BATCHES_PER_SECOND = 200
/** With one of so many its source's alert is raised, or cleared. */
const TURN_EVERY = 5
/** Partitions are made and sources claimed so many at once. */
const CLAIMS_AT_ONCE = 50
const SETTLE_MS = 3_000
const IDLE_MS = { quick: 5_000, full: 10_000 }
const STEADY_MS = { quick: 8_000, full: 20_000 }
const WATCHED_LIMIT_MS = 120_000
const WATCHED_LIMIT_MS_PER_PARTITION = 60

interface CoreShards {
  readonly analyser_shards: readonly number[]
}

export interface AtPartitions {
  readonly partitions: number
  /** The core with nothing to do, and with {@link BATCHES_PER_SECOND}: % of a processor. */
  readonly idlePercent: number
  readonly steadyPercent: number
  readonly peakMib: number
  /** From the log's answer to the alert, ms. */
  readonly p50Ms: number
  readonly p99Ms: number
  /** A run of a batch job over all partitions, of which each has a few records, seconds. */
  readonly runSeconds: number
}

/** One core that watches every partition of a topic, which grows. */
export class PartitionsPlant {
  readonly #core: BenchProcess
  readonly #coreYaml: string
  readonly #log: Log
  readonly #receiver: AlertReceiver
  readonly #writers: SourceWriter[] = []
  /** Those of which an alert stands. */
  readonly #raised = new Set<SourceWriter>()
  readonly #arrivedMs = new Map<string, number>()

  private constructor(core: BenchProcess, coreYaml: string, log: Log, receiver: AlertReceiver) {
    this.#core = core
    this.#coreYaml = coreYaml
    this.#log = log
    this.#receiver = receiver
  }

  static async start({ kafka, folder }: BenchContext): Promise<PartitionsPlant> {
    const own = mkdtempSync(join(folder, 'partitions-'))
    const receiver = await AlertReceiver.start()
    mkdirSync(join(own, 'p'))
    const alert = `{ webhook: "http://127.0.0.1:${receiver.port}/" }`
    writeFileSync(
      join(own, 'p', 'p.yaml'),
      `pipeline: ${TOPIC}\nanalysers:\n  seen: { when: "trigger > 0", alert: ${alert} }\nbatch:\n  night: { run: [sh, -c, "cat > all"] }\n`,
    )
    const config = `log: { kafka: { brokers: ${JSON.stringify(kafka.addresses)} } }\npipelines: [${own}/p/p.yaml]\n`
    const core = new BenchProcess(own, { name: 'core', role: 'core', config })
    const log = await openKafkaLog({ brokers: kafka.addresses, client_id: 'bench' }, { clock: systemClock, log: silentLogger })
    await core.start()
    // What lies there before the analyser is, it does not look at.
    await until(
      'the core keeps all shards',
      async () => (await core.status<CoreShards>())?.analyser_shards.length === SHARDS,
      WATCHED_LIMIT_MS,
    )
    return new PartitionsPlant(core, join(own, 'core.yaml'), log, receiver)
  }

  async measure(partitions: number, quick: boolean): Promise<AtPartitions> {
    await this.#growTo(partitions)
    const idlePercent = await this.#percentOf(() => pause(systemClock, quick ? IDLE_MS.quick : IDLE_MS.full))
    const fromMs = monotonicMs()
    const steadyPercent = await this.#percentOf(() => this.#writeInTurn(quick ? STEADY_MS.quick : STEADY_MS.full))
    await pause(systemClock, SETTLE_MS)
    const latencies = (await this.#receiver.received()).flatMap(({ source, time_ms, atMs }) => {
      const since = this.#arrivedMs.get(`${source} ${time_ms}`)
      return since === undefined || since < fromMs ? [] : [atMs - since]
    })
    const runSeconds = await this.#run()
    const [p50Ms, p99Ms] = [percentile(latencies, 0.5), percentile(latencies, 0.99)]
    return { partitions, idlePercent, steadyPercent, peakMib: peakRssMib(this.#core.pid), p50Ms, p99Ms, runSeconds }
  }

  async end(): Promise<void> {
    await this.#core.stop()
    await this.#core.end()
    await this.#receiver.end()
    await this.#log.close()
  }

  async #growTo(partitions: number): Promise<void> {
    while (this.#writers.length < partitions) {
      const made = Array.from(
        { length: Math.min(CLAIMS_AT_ONCE, partitions - this.#writers.length) },
        (_, at) => new SourceWriter(this.#log, `source-${this.#writers.length + at}`, TOPIC),
      )
      await Promise.all(made.map(writer => this.#write(writer, false)))
      this.#writers.push(...made)
    }
    const last = this.#writers.at(-1)
    if (!last) return
    await this.#write(last, true)
    await until(
      'the core watches every partition',
      async () => (await this.#receiver.received()).some(({ source }) => source === last.name),
      WATCHED_LIMIT_MS + partitions * WATCHED_LIMIT_MS_PER_PARTITION,
    )
    await pause(systemClock, SETTLE_MS)
  }

  async #write(writer: SourceWriter, isTurn: boolean): Promise<void> {
    const isRaised = this.#raised.has(writer) !== isTurn
    if (isRaised) this.#raised.add(writer)
    else this.#raised.delete(writer)
    const timeMs = Date.now()
    await writer.write([{ timeMs, value: { bar: 5.25, oil_c: 70.5, state: 'run', trigger: isRaised ? 1 : 0 } }])
    if (isTurn) this.#arrivedMs.set(`${writer.name} ${timeMs}`, monotonicMs())
  }

  async #writeInTurn(forMs: number): Promise<void> {
    const startMs = performance.now()
    const waiting: Promise<void>[] = []
    for (let written = 0; (written * 1_000) / BATCHES_PER_SECOND < forMs; written++) {
      const writer = this.#writers[written % this.#writers.length]
      if (!writer) return
      const write = this.#write(writer, written % TURN_EVERY === 0)
      // A writer has one batch under way: where there are few of them, each is waited for.
      if (this.#writers.length < CLAIMS_AT_ONCE) await write
      else waiting.push(write)
      const dueMs = startMs + ((written + 1) * 1_000) / BATCHES_PER_SECOND
      if (dueMs > performance.now()) await pause(systemClock, dueMs - performance.now())
    }
    await Promise.all(waiting)
  }

  async #percentOf(work: () => Promise<void>): Promise<number> {
    const before = cpuSeconds(this.#core.pid)
    const fromMs = performance.now()
    await work()
    return ((cpuSeconds(this.#core.pid) - before) / ((performance.now() - fromMs) / 1_000)) * 100
  }

  async #run(): Promise<number> {
    const fromMs = performance.now()
    const { code, stderr } = await headrace(['batch', 'run', 'night', '--config', this.#coreYaml])
    if (code !== 0) throw new Error(`the batch run failed:\n${stderr}`)
    return (performance.now() - fromMs) / 1_000
  }
}
