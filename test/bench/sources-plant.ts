import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../../hardware/simulators/free-port.ts'
import type { EdgeStatus } from '../../src/cli/edge-status.ts'
import { openKafkaLog } from '../../src/log/kafka/kafka-log.ts'
import { pause, systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { until } from '../support/until.ts'
import { writePayloadFile } from './payload.ts'
import { cpuSeconds, peakRssMib } from './process-figures.ts'
import { BenchProcess, coreConfig, edgeConfig, endAll } from './processes.ts'
import type { BenchContext } from './row.ts'
import { percentile, type Seen, watchPlaces } from './watch-log.ts'

/** A thousand partitions each, as `headrace plan` would have it. */
const SOURCES_PER_TOPIC = 1_000
/** Sources whose latency is watched: a fetch of ten thousand partitions would be what is measured. */
const WATCHED_MAX = 100
/** Records a second of all that are watched together, and of all others together. */
const WATCHED_PER_SECOND = 200
const OTHERS_PER_SECOND = 300
/** Records that generators at full speed are ahead of the log, over all sources; of each so many that a batch holds what the gateway gathers, and not what the generator may. */
const AHEAD_RECORDS = 1_000_000
const AHEAD = { min: 400, max: 100_000 }
const STEADY_MS = { quick: 6_000, full: 20_000 }
const SPEED_MS = { quick: 6_000, full: 15_000 }
const WARM_UP_MS = 3_000
const OPEN_LIMIT_MS = 120_000
const OPEN_LIMIT_MS_PER_SOURCE = 60
/** Each look costs the gateway a report of all its sources. */
const LOOK_EVERY_MS = 100
const LOOK_MS_PER_SOURCE = 0.2

export interface AtSize {
  readonly sources: number
  readonly recordsPerSecond: number
  readonly edgeCpuPerMillion: number
  readonly coreCpuPerMillion: number
  readonly edgeMib: number
  readonly coreMib: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly edgeSteadyPercent: number
  readonly coreSteadyPercent: number
  /** From the start of the process until every source may send, where its partition has to be made. */
  readonly firstOpenSeconds: number
  /** The same where it is there. */
  readonly openSeconds: number
}

/** A gateway with so many generators, twice: at a small rate for its latency, then as fast as it can. */
export async function measureSources(context: BenchContext, sources: number): Promise<AtSize> {
  const { kafka, folder, quick } = context
  const own = mkdtempSync(join(folder, 'sources-'))
  const gateway = `curve-${sources}`
  const port = await freePort()
  const core = new BenchProcess(own, { name: 'core', role: 'core', config: coreConfig(kafka.addresses, port) })
  const edge = new BenchProcess(own, {
    name: 'edge',
    role: 'edge',
    config: edgeConfig(gateway, port, [join(own, 'p', '*.yaml')]),
  })
  const pids = () => [edge.pid, core.pid] as const
  try {
    await core.start()
    writePipelines(own, sources, steadyGenerator(sources))
    const firstOpenSeconds = await open(edge, sources)
    const steady = await measureSteady(context, { gateway, sources, pids, forMs: quick ? STEADY_MS.quick : STEADY_MS.full })
    await edge.stop()
    writePipelines(own, sources, fastGenerator(own, sources))
    const openSeconds = await open(edge, sources)
    const speed = await measureSpeed(edge, pids, quick ? SPEED_MS.quick : SPEED_MS.full)
    const [edgeMib, coreMib] = [peakRssMib(edge.pid), peakRssMib(core.pid)]
    return { sources, ...speed, ...steady, edgeMib, coreMib, firstOpenSeconds, openSeconds }
  } finally {
    await endAll(edge, core)
  }
}

function writePipelines(folder: string, sources: number, generator: (index: number) => string): void {
  mkdirSync(join(folder, 'p'), { recursive: true })
  for (let from = 0; from < sources; from += SOURCES_PER_TOPIC) {
    const count = Math.min(SOURCES_PER_TOPIC, sources - from)
    const lines = Array.from({ length: count }, (_, at) => `  ${nameOf(from + at)}: { generator: { ${generator(from + at)} } }\n`)
    const name = `curve-${sources}-${from / SOURCES_PER_TOPIC}`
    writeFileSync(join(folder, 'p', `${name}.yaml`), `pipeline: ${name}\ndurability: 50ms\nsources:\n${lines.join('')}`)
  }
}

function nameOf(index: number): string {
  return `source-${index}`
}

function steadyGenerator(sources: number): (index: number) => string {
  const watched = Math.min(WATCHED_MAX, sources)
  const others = Math.max(1, sources - watched)
  // Each at a rate of its own, or all of them would speak in the same moment.
  const otherRate = (index: number) => (OTHERS_PER_SECOND / others) * (0.5 + (index - watched) / others)
  return index => `records_per_second: ${index < watched ? WATCHED_PER_SECOND / watched : otherRate(index)}`
}

function fastGenerator(folder: string, sources: number): (index: number) => string {
  const payloadFile = join(folder, 'payload')
  writePayloadFile(payloadFile)
  const ahead = Math.min(AHEAD.max, Math.max(AHEAD.min, Math.ceil(AHEAD_RECORDS / sources)))
  return index => `records_per_second: 0, seed: ${index}, payload_file: ${JSON.stringify(payloadFile)}, ahead: ${ahead}`
}

/** Starts the gateway; resolves with the seconds until all of its sources may send. */
async function open(edge: BenchProcess, sources: number): Promise<number> {
  const fromMs = performance.now()
  await edge.start()
  const limitMs = OPEN_LIMIT_MS + sources * OPEN_LIMIT_MS_PER_SOURCE
  await until(
    `${sources} sources may send`,
    async () => {
      const status = await edge.status<EdgeStatus>()
      const isOpen = status?.link.state === 'sending' && status.sources.every(({ partition }) => partition !== null)
      if (!isOpen) await pause(systemClock, LOOK_EVERY_MS + sources * LOOK_MS_PER_SOURCE)
      return isOpen
    },
    limitMs,
  )
  return (performance.now() - fromMs) / 1_000
}

async function measureSteady(
  { kafka }: BenchContext,
  of: { gateway: string; sources: number; pids: () => readonly [number, number]; forMs: number },
): Promise<Pick<AtSize, 'p50Ms' | 'p99Ms' | 'edgeSteadyPercent' | 'coreSteadyPercent'>> {
  const { gateway, sources, pids, forMs } = of
  const log = await openKafkaLog({ brokers: kafka.addresses, client_id: 'bench' }, { clock: systemClock, log: silentLogger })
  const watching = new AbortController()
  const seen: Seen[] = []
  try {
    const claims = await Promise.all(
      Array.from({ length: Math.min(WATCHED_MAX, sources) }, (_, index) => log.claimOf({ gateway, source: nameOf(index) })),
    )
    const options = { signal: watching.signal, seen: (record: Seen) => seen.push(record) }
    const places = claims.filter(claim => claim !== undefined)
    void watchPlaces(log, places, options).catch(() => {})
    await until('what is steady flows', () => seen.length > WATCHED_PER_SECOND, OPEN_LIMIT_MS)
    await pause(systemClock, WARM_UP_MS)
    seen.length = 0
    const before = pids().map(cpuSeconds)
    const fromMs = performance.now()
    await pause(systemClock, forMs)
    const seconds = (performance.now() - fromMs) / 1_000
    const [edgeSteadyPercent = Number.NaN, coreSteadyPercent = Number.NaN] = pids().map(
      (pid, at) => ((cpuSeconds(pid) - (before[at] ?? 0)) / seconds) * 100,
    )
    const latencies = seen.map(({ atMs, timeMs }) => atMs - timeMs)
    return { p50Ms: percentile(latencies, 0.5), p99Ms: percentile(latencies, 0.99), edgeSteadyPercent, coreSteadyPercent }
  } finally {
    watching.abort()
    await log.close()
  }
}

async function measureSpeed(
  edge: BenchProcess,
  pids: () => readonly [number, number],
  forMs: number,
): Promise<Pick<AtSize, 'recordsPerSecond' | 'edgeCpuPerMillion' | 'coreCpuPerMillion'>> {
  // A gateway that works as fast as it can may be late with an answer: without one nothing is known, and 0 would be a figure.
  const settled = () =>
    until('it says what is settled', async () => {
      const sum = (await edge.status<EdgeStatus>())?.sources.reduce((all, source) => all + source.settled, 0)
      return sum === undefined || sum === 0 ? undefined : sum
    })
  await pause(systemClock, WARM_UP_MS)
  const from = { settled: await settled(), atMs: performance.now(), cpu: pids().map(cpuSeconds) }
  await pause(systemClock, forMs)
  const records = (await settled()) - from.settled
  const [edgeCpuPerMillion = Number.NaN, coreCpuPerMillion = Number.NaN] = pids().map(
    (pid, at) => ((cpuSeconds(pid) - (from.cpu[at] ?? 0)) / records) * 1e6,
  )
  const seconds = (performance.now() - from.atMs) / 1_000
  return { recordsPerSecond: records / seconds, edgeCpuPerMillion, coreCpuPerMillion }
}
