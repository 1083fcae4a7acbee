import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../../hardware/simulators/free-port.ts'
import type { EdgeStatus } from '../../src/cli/edge-status.ts'
import { pause, systemClock } from '../../src/runtime/clock.ts'
import { until } from '../support/until.ts'
import { writePayloadFile } from './payload.ts'
import { cpuSeconds, peakRssMib, rssMib } from './process-figures.ts'
import { BenchProcess, coreConfig, edgeConfig } from './processes.ts'
import type { BenchContext } from './row.ts'
import { createTopic, deleteTopics } from './topics.ts'

const SOURCES = 50
/** Far more than the backlog takes: 30 to 50 bytes a record. */
const QUOTA = '200GiB'
const LIMIT_MS = 120_000
/** The slowest machine on which this makes sense stores and drains so many a second. */
const RECORDS_PER_MS_MIN = 20
const LOOK_EVERY_MS = 100
/** Points of the drain, as shares of it, between which its speed is taken. */
const TENTHS = { first: [0.01, 0.1], middle: [0.45, 0.55], last: [0.9, 1] } as const

export interface Drained {
  readonly records: number
  /** From the start of the gateway's process until it can be asked. */
  readonly openSeconds: number
  readonly openMib: number
  readonly peakMib: number
  readonly coreMib: number
  /** Records a second over tenths of the drain. */
  readonly first: number
  readonly middle: number
  readonly last: number
  readonly edgeCpuPerMillion: number
  readonly coreCpuPerMillion: number
}

/** Lets a gateway without a core store so many records, starts it again, and then lets it drain. */
export async function measureBacklog({ kafka, folder }: BenchContext, records: number): Promise<Drained> {
  const own = mkdtempSync(join(folder, 'backlog-'))
  const topic = `backlog-${records}`
  const each = Math.ceil(records / SOURCES)
  const all = each * SOURCES
  const payloadFile = join(own, 'payload')
  writePayloadFile(payloadFile)
  const generators = Array.from(
    { length: SOURCES },
    (_, index) =>
      `  source-${index}: { generator: { records_per_second: 0, count: ${each}, seed: ${index}, payload_file: ${JSON.stringify(payloadFile)}, ahead: ${each} } }\n`,
  )
  const pipeline = join(own, 'pipeline.yaml')
  writeFileSync(pipeline, `pipeline: ${topic}\ndurability: 50ms\nsources:\n${generators.join('')}`)
  const port = await freePort()
  const config = `${edgeConfig(topic, port, [pipeline])}buffer: { quota: ${QUOTA} }\n`
  const edge = new BenchProcess(own, { name: 'edge', role: 'edge', config })
  const core = new BenchProcess(own, { name: 'core', role: 'core', config: coreConfig(kafka.addresses, port) })
  const limitMs = LIMIT_MS + all / RECORDS_PER_MS_MIN
  await createTopic(kafka, topic, SOURCES)
  try {
    await edge.start()
    await until('the backlog is stored', async () => bufferedOf(await edge.status<EdgeStatus>()) >= all, limitMs)
    await edge.stop()
    const fromMs = performance.now()
    await edge.start()
    const openSeconds = (performance.now() - fromMs) / 1_000
    const openMib = rssMib(edge.pid)
    await core.start()
    const cpu = [edge, core].map(({ pid }) => cpuSeconds(pid))
    const points = await drain(edge, all, limitMs)
    const perMillion = [edge, core].map(({ pid }, at) => ((cpuSeconds(pid) - (cpu[at] ?? 0)) / all) * 1e6)
    const [edgeCpuPerMillion = Number.NaN, coreCpuPerMillion = Number.NaN] = perMillion
    const speed = ([from, to]: readonly [number, number]) => speedBetween(points, from * all, to * all)
    return {
      ...{ records: all, openSeconds, openMib, edgeCpuPerMillion, coreCpuPerMillion },
      ...{ peakMib: peakRssMib(edge.pid), coreMib: peakRssMib(core.pid) },
      ...{ first: speed(TENTHS.first), middle: speed(TENTHS.middle), last: speed(TENTHS.last) },
    }
  } finally {
    for (const process of [edge, core]) await process.stop()
    for (const process of [edge, core]) await process.end()
    await deleteTopics(kafka, topic)
    rmSync(own, { recursive: true, force: true })
  }
}

interface Point {
  readonly atMs: number
  readonly settled: number
}

async function drain(edge: BenchProcess, records: number, limitMs: number): Promise<Point[]> {
  const points: Point[] = []
  const fromMs = performance.now()
  for (let settled = 0; settled < records; ) {
    if (performance.now() - fromMs > limitMs) throw new Error(`only ${settled} of ${records} records within ${limitMs} ms`)
    settled = settledOf(await edge.status<EdgeStatus>())
    points.push({ atMs: performance.now(), settled })
    await pause(systemClock, LOOK_EVERY_MS)
  }
  return points
}

/** Records a second between two numbers of settled ones, from the looks that lie next to them. */
export function speedBetween(points: readonly Point[], from: number, to: number): number {
  const [before, after] = [timeOf(points, from), timeOf(points, to)]
  return ((to - from) / (after - before)) * 1_000
}

/** When so many were settled, ms, by a straight line between the looks. */
function timeOf(points: readonly Point[], settled: number): number {
  const at = points.findIndex(point => point.settled >= settled)
  const [before, after] = [points[at - 1], points[at]]
  if (!after) return Number.NaN
  if (!before || after.settled === before.settled) return after.atMs
  const share = (settled - before.settled) / (after.settled - before.settled)
  return before.atMs + share * (after.atMs - before.atMs)
}

function bufferedOf(status: EdgeStatus | undefined): number {
  return status?.sources.reduce((sum, { buffered }) => sum + buffered.records, 0) ?? 0
}

function settledOf(status: EdgeStatus | undefined): number {
  return status?.sources.reduce((sum, { settled }) => sum + settled, 0) ?? 0
}
