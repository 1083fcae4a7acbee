import { mkdtempSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { Pty } from '../../hardware/simulators/pty.ts'
import { openKafkaLog } from '../../src/log/kafka/kafka-log.ts'
import type { Log } from '../../src/log/log.ts'
import { pause, systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { until } from '../support/until.ts'
import { cpuSeconds } from './process-figures.ts'
import { BenchProcess, coreConfig, edgeConfig, endAll } from './processes.ts'
import type { BenchContext } from './row.ts'
import { nowMs, type Seen, watchLog } from './watch-log.ts'

const TICK_MS = 10
const FIRST_LIMIT_MS = 60_000
/** Without a record for so long nothing more is on its way; a quick run has no durability that is near. */
const QUIET_MS = { quick: 500, full: 1_500 }
/** Records that also raise an alert, so many a second at the most. */
const ALERTS_PER_SECOND = 20

export interface Latencies {
  /** From the write to the device's end of the terminal until a consumer of Kafka has it, ms. */
  readonly kafkaMs: readonly number[]
  /** Until the webhook of an analyser was called, ms. */
  readonly analyserMs: readonly number[]
  /** Processor time of the edge in that time, seconds, and the records that it read. */
  readonly edgeCpuSeconds: number
  readonly records: number
}

/** A device on a pseudo terminal, a gateway, a core with an analyser, and a consumer of Kafka: all real processes. */
export class LatencyPlant {
  readonly #log: Log
  readonly #pty: Pty
  readonly #server: Server
  readonly #core: BenchProcess
  readonly #edge: BenchProcess
  readonly #stopping = new AbortController()
  readonly #seen: Seen[] = []
  readonly #quietMs: number
  readonly #alerts: { readonly timeMs: number; readonly atMs: number }[] = []

  private constructor(parts: { log: Log; pty: Pty; server: Server; core: BenchProcess; edge: BenchProcess; quietMs: number }) {
    this.#quietMs = parts.quietMs
    this.#log = parts.log
    this.#pty = parts.pty
    this.#server = parts.server
    this.#core = parts.core
    this.#edge = parts.edge
    this.#server.on('request', async (request, response) => {
      const body = Buffer.concat(await request.toArray()).toString()
      const atMs = nowMs()
      response.end()
      this.#alerts.push({ timeMs: (JSON.parse(body) as { time_ms: number }).time_ms, atMs })
    })
  }

  static async start(
    { kafka, folder, quick }: BenchContext,
    options: { name: string; durability: string },
  ): Promise<LatencyPlant> {
    const { name, durability } = options
    const own = mkdtempSync(join(folder, 'latency-'))
    // A gateway of its own each: another disk with the name of the one before would be told from it, and frozen.
    const gateway = `bench-${name}`
    const server = createServer()
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const pty = await Pty.open()
    const port = await freePort()
    const pipeline = join(own, 'pipeline.yaml')
    writeFileSync(
      pipeline,
      `pipeline: ${name}\ndurability: ${durability}\nsources:\n  device: { serial: { path: ${pty.path} }, frame: { delimiter: "\\n" }, decode: json }\n` +
        `analysers:\n  probe: { when: "probe == 1", alert: { webhook: "${url}" } }\n`,
    )
    const more = `pipelines: ${JSON.stringify([pipeline])}\n`
    const core = new BenchProcess(own, { name: 'core', role: 'core', config: coreConfig(kafka.addresses, port, more) })
    const edge = new BenchProcess(own, { name: 'edge', role: 'edge', config: edgeConfig(gateway, port, [pipeline]) })
    const log = await openKafkaLog({ brokers: kafka.addresses, client_id: 'bench' }, { clock: systemClock, log: silentLogger })
    const plant = new LatencyPlant({ log, pty, server, core, edge, quietMs: quick ? QUIET_MS.quick : QUIET_MS.full })
    await core.start()
    await edge.start()
    void watchLog(log, { gateway, source: 'device' }, { signal: plant.#stopping.signal, seen: seen => plant.#seen.push(seen) })
      // Ended by its signal, or with the log.
      .catch(() => {})
    return plant
  }

  /** Lets the device speak so often for so long. What comes in the first part is not counted. */
  async measure(options: { perSecond: number; forMs: number; warmUpMs: number }): Promise<Latencies> {
    await this.#speak(options.perSecond, options.warmUpMs)
    await until('what the device says is in Kafka', () => this.#seen.length > 0, FIRST_LIMIT_MS)
    await this.#quiet()
    this.#seen.length = 0
    this.#alerts.length = 0
    const cpu = cpuSeconds(this.#edge.pid)
    await this.#speak(options.perSecond, options.forMs)
    await this.#quiet()
    const sentMs = ({ value }: Seen) => (JSON.parse(value) as { t: number }).t
    const probes = new Map(this.#seen.filter(({ value }) => value.includes('"probe":1')).map(seen => [seen.timeMs, sentMs(seen)]))
    return {
      kafkaMs: this.#seen.map(seen => seen.atMs - sentMs(seen)),
      analyserMs: this.#alerts.flatMap(({ timeMs, atMs }) => (probes.has(timeMs) ? [atMs - (probes.get(timeMs) ?? 0)] : [])),
      edgeCpuSeconds: cpuSeconds(this.#edge.pid) - cpu,
      records: this.#seen.length,
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await endAll(this.#edge, this.#core)
    await this.#log.close()
    this.#server.closeAllConnections()
    this.#server.close()
    await this.#pty.close()
  }

  async #speak(perSecond: number, forMs: number): Promise<void> {
    const startMs = performance.now()
    const probeEvery = Math.max(2, Math.ceil(perSecond / ALERTS_PER_SECOND))
    for (let sent = 0; ; ) {
      const elapsedMs = performance.now() - startMs
      if (elapsedMs >= forMs) return
      const due = Math.ceil((elapsedMs / 1_000) * perSecond)
      let text = ''
      for (; sent < due; sent++) text += `{"n":${sent},"probe":${sent % probeEvery === 0 ? 1 : 0},"t":${nowMs().toFixed(3)}}\n`
      if (text !== '' && !this.#pty.write(text)) await this.#pty.drained()
      const nextMs = perSecond >= 1_000 / TICK_MS ? TICK_MS : ((sent + 0.1) / perSecond) * 1_000 - (performance.now() - startMs)
      await pause(systemClock, Math.max(1, nextMs))
    }
  }

  /** Until nothing has come for a while: what was sent is all there. */
  async #quiet(): Promise<void> {
    for (let before = -1; before !== this.#seen.length; ) {
      before = this.#seen.length
      await pause(systemClock, this.#quietMs)
    }
  }
}
