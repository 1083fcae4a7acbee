import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../hardware/simulators/free-port.ts'
import type { EdgeStatus } from '../../src/cli/edge-status.ts'
import { controlPath } from '../../src/cli/state-paths.ts'
import { control } from '../../src/console/control-client.ts'
import { pause, systemClock } from '../../src/runtime/clock.ts'
import { HeadraceProcess } from '../support/headrace-process.ts'
import { until } from '../support/until.ts'
import { bytesSentTo, cpuSeconds, peakRssMib, profileArgs, writtenBytes } from './process-figures.ts'
import { endAll } from './processes.ts'

const LIMIT_MS = 180_000
/** Each look costs the edge a report of all its sources. */
const LOOK_EVERY_MS = 100
/** Records of a source that its generator is ahead of the log: enough to keep all busy, few enough that the store is not an outage's backlog. */
const AHEAD = 5_000

export interface RunOptions {
  readonly brokers: readonly string[]
  readonly topic: string
  readonly sources: number
  readonly records: number
  readonly payloadFile: string
  /** `through`: generators, store and link at once. `drain`: all is stored before the core is there. */
  readonly shape: 'through' | 'drain'
  /** Records that a generator may be ahead of the log, where it is not the usual number. */
  readonly ahead?: number
  /** Where both processes leave their CPU profiles, in a folder each. */
  readonly profileFolder?: string | undefined
  /** Another checkout whose program is run: to compare what was with what is. */
  readonly checkout?: string | undefined
}

export interface HeadraceRun {
  readonly recordsPerSecond: number
  readonly edgeCpuSecondsPerMillion: number
  readonly coreCpuSecondsPerMillion: number
  readonly edgePeakMib: number
  readonly corePeakMib: number
  /** What the gateway brought to its disk: of a drain with what was stored before, otherwise from the first settled batch on. */
  readonly diskBytesPerRecord: number
  /** What the gateway sent over its connection, headers of AMQP included. */
  readonly networkBytesPerRecord: number
}

/** Edge and core as two processes, their files on a real disk, from the generators to the last settled record. */
export async function runHeadrace(options: RunOptions): Promise<HeadraceRun> {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-bench-'))
  const pair = await processes(folder, options)
  const { edge, core } = pair
  try {
    return await (options.shape === 'through' ? through(pair, folder, options) : drain(pair, folder, options))
  } finally {
    await endAll(edge, core)
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Counted from the first settled batch on, as the Java tool counts from its first record: claims are made once in a source's life. */
async function through({ edge, core, port }: Pair, folder: string, options: RunOptions): Promise<HeadraceRun> {
  core.start()
  await running(folder, 'core')
  const coreCpu = cpuSeconds(core.pid ?? 0)
  edge.start()
  return measure({ edge, core, port, folder, records: options.records, edgeCpu: 0, coreCpu, shape: 'through' })
}

async function drain({ edge, core, port }: Pair, folder: string, options: RunOptions): Promise<HeadraceRun> {
  edge.start()
  await until(
    'all is stored',
    async () => {
      const status = await edgeStatus(folder)
      return status?.sources.reduce((sum, { buffered }) => sum + buffered.records, 0) === options.records
    },
    LIMIT_MS,
  )
  const edgeCpu = cpuSeconds(edge.pid ?? 0)
  core.start()
  await running(folder, 'core')
  const coreCpu = cpuSeconds(core.pid ?? 0)
  return measure({ edge, core, port, folder, records: options.records, edgeCpu, coreCpu, shape: 'drain' })
}

interface Pair {
  readonly edge: HeadraceProcess
  readonly core: HeadraceProcess
  /** Where the core listens. */
  readonly port: number
}

async function measure(run: {
  edge: HeadraceProcess
  core: HeadraceProcess
  port: number
  folder: string
  records: number
  edgeCpu: number
  coreCpu: number
  shape: RunOptions['shape']
}): Promise<HeadraceRun> {
  const { edge, core, folder, records } = run
  const settledBefore = await until(
    'the first batch is settled',
    async () => settledOf(await edgeStatus(folder)) || undefined,
    LIMIT_MS,
  )
  const from = performance.now()
  const flashFrom =
    run.shape === 'drain' ? { bytes: 0, records: 0 } : { bytes: writtenBytes(edge.pid ?? 0), records: settledBefore }
  let status = await edgeStatus(folder)
  while (settledOf(status) < records) {
    if (performance.now() - from > LIMIT_MS)
      throw new Error(`only ${settledOf(status)} of ${records} records within ${LIMIT_MS} ms`)
    await pause(systemClock, LOOK_EVERY_MS)
    status = await edgeStatus(folder)
  }
  const seconds = (performance.now() - from) / 1_000
  const perMillion = (pid: number | undefined, before: number) => ((cpuSeconds(pid ?? 0) - before) / records) * 1e6
  return {
    recordsPerSecond: (records - settledBefore) / seconds,
    edgeCpuSecondsPerMillion: perMillion(edge.pid, run.edgeCpu),
    coreCpuSecondsPerMillion: perMillion(core.pid, run.coreCpu),
    edgePeakMib: peakRssMib(edge.pid ?? 0),
    corePeakMib: peakRssMib(core.pid ?? 0),
    networkBytesPerRecord: bytesSentTo(run.port) / records,
    diskBytesPerRecord: (writtenBytes(edge.pid ?? 0) - flashFrom.bytes) / (records - flashFrom.records),
  }
}

function settledOf(status: EdgeStatus | undefined): number {
  return status?.sources.reduce((sum, { settled }) => sum + settled, 0) ?? 0
}

/** Asked over the control socket, and not by a command: a process started for each look would take the CPU that is measured. */
function edgeStatus(folder: string): Promise<EdgeStatus | undefined> {
  return control<EdgeStatus>(controlPath(join(folder, 'edge-state'), 'edge'), 'status').catch(() => undefined)
}

function running(folder: string, role: 'edge' | 'core'): Promise<EdgeStatus> {
  const path = controlPath(join(folder, `${role}-state`), role)
  return until(`${role} is there`, () => control<EdgeStatus>(path, 'status').catch(() => undefined), LIMIT_MS)
}

async function processes(folder: string, options: RunOptions): Promise<Pair> {
  const port = await freePort()
  const { sources, records, payloadFile, topic } = options
  const generators = Array.from(
    { length: sources },
    (_, index) =>
      `  source-${index}: { generator: { records_per_second: 0, count: ${records / sources}, seed: ${index}, payload_file: ${JSON.stringify(payloadFile)}, ahead: ${options.shape === 'drain' ? records : (options.ahead ?? AHEAD)} } }`,
  )
  const pipeline = join(folder, 'bench.yaml')
  writeFileSync(pipeline, `pipeline: ${topic}\ndurability: 50ms\nsources:\n${generators.join('\n')}\n`)
  const core = join(folder, 'core.yaml')
  const brokers = JSON.stringify(options.brokers)
  writeFileSync(
    core,
    `state: ${join(folder, 'core-state')}\nlog: { kafka: { brokers: ${brokers} } }\ningress: { listen: "amqp://127.0.0.1:${port}" }\n`,
  )
  const edge = join(folder, 'edge.yaml')
  writeFileSync(
    edge,
    `gateway: bench-${topic}\nstate: ${join(folder, 'edge-state')}\nuplink: { url: "amqp://127.0.0.1:${port}" }\npipelines: [${JSON.stringify(pipeline)}]\n`,
  )
  for (const role of ['edge', 'core']) mkdirSync(join(folder, `${role}-state`))
  const start = (role: 'edge' | 'core', config: string) =>
    new HeadraceProcess({
      name: role,
      args: [role, '--config', config],
      logPath: join(folder, `${role}.log`),
      nodeArgs: options.profileFolder === undefined ? [] : profileArgs(join(options.profileFolder, role)),
      ...(options.checkout !== undefined && { entry: join(options.checkout, 'src/cli/main.ts') }),
    })
  return { edge: start('edge', edge), core: start('core', core), port }
}
