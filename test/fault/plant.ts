import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../hardware/simulators/free-port.ts'
import type { CoreProcess } from '../../src/cli/core-process.ts'
import type { EdgeStatus } from '../../src/cli/edge-status.ts'
import { control } from '../../src/console/control-client.ts'
import { PAYLOAD_BYTES_MAX, seedOf, writePayload } from '../../src/source/generator-payload.ts'
import { type CommandRun, HeadraceProcess, type HeadraceProcessOptions, headrace } from '../support/headrace-process.ts'
import { until } from '../support/until.ts'
import { OUTPUT_COMMAND } from './batch-outputs.ts'
import type { ExpectedSource } from './checker.ts'
import { Devices } from './devices/devices.ts'
import { readLedger } from './devices/ledger-file.ts'

export type CoreStatus = Awaited<ReturnType<CoreProcess['status']>>
export type ProcessChanges = Omit<HeadraceProcessOptions, 'name' | 'args' | 'logPath'>

export interface PlantOptions {
  /** Gateway and topic; what no other scenario on the same brokers is called. */
  readonly name: string
  readonly brokers: readonly string[]
  readonly seed: number
  /** Serial devices, each on a pseudo terminal. */
  readonly devices: number
  readonly recordsPerSecond: number
  /** Sources that can be asked again for what was not stored: whatever is killed, each of their records has to arrive. */
  readonly counters: number
  readonly counted: number
  readonly cores: number
  readonly durabilityMs: number
  /** One record of each device is that large: bytes that do not compress. */
  readonly heavy: { readonly atRecord: number; readonly bytes: number } | undefined
  /** What follows in edge.yaml; in core.yaml; in the settings of each source. */
  readonly edgeYaml: string
  readonly coreYaml: string
  readonly sourceYaml: string
  readonly edge: ProcessChanges
  readonly core: ProcessChanges
  /** Addresses for the gateway, where it is not to go to the cores directly: `host:port` each. */
  readonly uplinks: ((corePorts: readonly number[]) => Promise<readonly string[]>) | undefined
  /** The address on which cores listen. */
  readonly coreHost: string
  /** Where the state of the edge, or of the first core, lies; in the plant's folder unless given. */
  readonly edgeState: string | undefined
  readonly coreState: string | undefined
}

/** A record is at risk that came within its durability before its gateway was killed; a busy machine may take longer to come to it, ms. */
const RISK_SLACK_MS = 2_000
const FRAME_BYTES_MAX = 512 * 1024
const READING_LIMIT_MS = 60_000

export const PLANT_DEFAULTS: Omit<PlantOptions, 'name' | 'brokers' | 'seed'> = {
  devices: 2,
  recordsPerSecond: 150,
  counters: 2,
  counted: 1_000,
  cores: 1,
  durabilityMs: 20,
  heavy: undefined,
  edgeYaml: '',
  coreYaml: '',
  sourceYaml: '',
  edge: {},
  core: {},
  uplinks: undefined,
  coreHost: '127.0.0.1',
  edgeState: undefined,
  coreState: undefined,
}

/** A gateway with serial devices and counters, and cores before a Kafka: real processes with real files. */
export class Plant {
  readonly folder: string
  readonly options: PlantOptions
  readonly edge: HeadraceProcess
  readonly cores: readonly HeadraceProcess[]
  readonly devices: Devices
  readonly corePorts: readonly number[]
  readonly #risks: { readonly fromMs: number; readonly toMs: number }[] = []

  private constructor(folder: string, options: PlantOptions, devices: Devices, corePorts: readonly number[]) {
    this.folder = folder
    this.options = options
    this.devices = devices
    this.corePorts = corePorts
    this.edge = this.newProcess('edge', 'edge', 'edge.yaml', options.edge)
    this.cores = corePorts.map((_, index) => this.newProcess(`core-${index}`, 'core', `core-${index}.yaml`, options.core))
  }

  static async create(options: PlantOptions): Promise<Plant> {
    const folder = mkdtempSync(join(tmpdir(), 'headrace-fault-'))
    mkdirSync(join(folder, 'out'))
    const ports: number[] = []
    while (ports.length < options.cores) ports.push(await freePort())
    const setups = deviceNames(options).map(source => ({
      source,
      link: join(folder, source),
      ledger: join(folder, `${source}.ledger`),
      recordsPerSecond: options.recordsPerSecond,
      ...(options.heavy && { heavy: options.heavy }),
    }))
    const plant = new Plant(folder, options, await Devices.open(options.seed, setups), ports)
    await plant.#writeFiles()
    return plant
  }

  get gateway(): string {
    return this.options.name
  }

  get topic(): string {
    return this.options.name
  }

  /** `<state>` of the edge: what it keeps lies in `edge` below it. */
  get edgeState(): string {
    return this.options.edgeState ?? join(this.folder, 'edge')
  }

  coreState(index = 0): string {
    return index === 0 && this.options.coreState ? this.options.coreState : join(this.folder, `core-${index}`)
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  /** Names of what lies in a folder of the plant's. */
  list(name: string): string[] {
    return readdirSync(this.path(name))
  }

  /** A process beside the plant's own; `config` is a file in its folder. */
  newProcess(name: string, role: 'edge' | 'core', config: string, changes: ProcessChanges = {}): HeadraceProcess {
    return new HeadraceProcess({
      name,
      args: [role, '--config', this.path(config)],
      logPath: this.path(`${name}.log`),
      ...changes,
    })
  }

  /**
   * Ends the agent in some way, and starts it again. What it had read and not yet stored is at risk, and so is what devices say while their ports are
   * closed; nothing else is.
   */
  async restartEdge(end: () => Promise<unknown> = () => this.edge.kill9(), before?: () => unknown): Promise<void> {
    const fromMs = Date.now() - this.options.durabilityMs - RISK_SLACK_MS
    await end()
    await before?.()
    this.edge.start()
    await this.reading()
    this.#risks.push({ fromMs, toMs: Date.now() })
  }

  /** Waits until every port is read. */
  async reading(): Promise<void> {
    const devices = deviceNames(this.options)
    await until(
      'every port is read',
      async () => {
        const sources = (await this.edgeStatus())?.sources ?? []
        return devices.every(name =>
          sources.some(({ source, state }) => source === name && state !== 'starting' && state !== 'waiting'),
        )
      },
      READING_LIMIT_MS,
    )
  }

  /** What the agent says; undefined while it does not. */
  edgeStatus(state = this.edgeState): Promise<EdgeStatus | undefined> {
    return control<EdgeStatus>(join(state, 'edge', 'control.sock'), 'status').catch(() => undefined)
  }

  coreStatus(index = 0): Promise<CoreStatus | undefined> {
    return control<CoreStatus>(join(this.coreState(index), 'core', 'control.sock'), 'status').catch(() => undefined)
  }

  /** The core that the gateway sends to. */
  coreInUse(): Promise<HeadraceProcess> {
    return until('the gateway sends to a core', async () => {
      const peer = (await this.edgeStatus())?.link.peer
      return this.cores.find((_, index) => peer?.endsWith(`:${this.corePorts[index]}`))
    })
  }

  /** The settled number of each source; undefined while nobody says. */
  async settled(): Promise<ReadonlyMap<string, number> | undefined> {
    const status = await this.edgeStatus()
    if (!status || status.sources.length === 0) return undefined
    return new Map(status.sources.map(({ source, settled }) => [source, settled]))
  }

  /** Where a source is when it is `records` further; one that gives only so many may be at its end before. */
  furtherBy(records: number, source: string, settled: number): number {
    const isCounter = counterNames(this.options).includes(source)
    return isCounter ? Math.min(settled + records, this.options.counted) : settled + records
  }

  /** A command of the first core. */
  command(...args: string[]): Promise<CommandRun> {
    return headrace([...args, '--state', this.coreState()], { limitMs: 60_000 })
  }

  /** What each device gave, by `<gateway>/<source>`; partitions are filled in by whoever has read the registry's view. */
  expected(partitions: ReadonlyMap<string, number>): Map<string, ExpectedSource> {
    const entries = new Map<string, ExpectedSource>()
    const partitionOf = (source: string) => partitions.get(`${this.gateway}/${source}`) ?? -1
    for (const source of deviceNames(this.options)) {
      const given = readLedger(this.path(`${source}.ledger`))
      entries.set(`${this.gateway}/${source}`, {
        partition: partitionOf(source),
        records: given.length,
        payload: number => Buffer.from(given[number]?.payload ?? ''),
        atRisk: number => this.#isAtRisk(given[number]?.atMs ?? 0),
      })
    }
    for (const source of counterNames(this.options)) {
      const { seed, counted } = this.options
      entries.set(`${this.gateway}/${source}`, this.expectedCounter(source, seed, counted, partitionOf(source)))
    }
    return entries
  }

  /** What a generator of this name, seed and count gives. */
  expectedCounter(source: string, seed: number, records: number, partition: number): ExpectedSource {
    const own = seedOf(seed, source)
    const scratch = Buffer.alloc(PAYLOAD_BYTES_MAX)
    const payload = (number: number) => Buffer.from(scratch.subarray(0, writePayload('meter', own, number, 0, scratch, 0)))
    return { partition, records, payload }
  }

  /** The last record of each source: when a reader has it, everything has come that will come. */
  lastValues(): string[] {
    return [...this.expected(new Map()).values()]
      .filter(({ records }) => records > 0)
      .map(({ records, payload }) => payload(records - 1).toString('latin1'))
  }

  async end(): Promise<void> {
    await this.edge.end()
    for (const core of this.cores) await core.end()
    await this.devices.end()
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }

  /** edge.yaml for a gateway with these addresses and state. */
  edgeConfig(urls: readonly string[], state: string): string {
    return `gateway: ${this.gateway}\nstate: ${state}\nuplink: { urls: ${JSON.stringify(urls)} }\npipelines: [pipeline.yaml]\n${this.options.edgeYaml}`
  }

  #isAtRisk(atMs: number): boolean {
    return this.#risks.some(({ fromMs, toMs }) => atMs >= fromMs && atMs <= toMs)
  }

  async #writeFiles(): Promise<void> {
    const { brokers, coreYaml, coreHost, uplinks } = this.options
    writeFileSync(this.path('pipeline.yaml'), this.#pipeline())
    const addresses = (await uplinks?.(this.corePorts)) ?? this.corePorts.map(port => `${coreHost}:${port}`)
    const urls = addresses.map(address => `amqp://${address}`)
    writeFileSync(this.path('edge.yaml'), this.edgeConfig(urls, this.edgeState))
    for (const [index, port] of this.corePorts.entries()) {
      const pipelines = index === 0 ? 'pipelines: [pipeline.yaml]\n' : ''
      const name = `${this.options.name}-core-${index}`
      const log = `{ kafka: { brokers: ${JSON.stringify(brokers)} } }`
      writeFileSync(
        this.path(`core-${index}.yaml`),
        `name: ${name}\nstate: ${this.coreState(index)}\nlog: ${log}\ningress: { listen: "amqp://${coreHost}:${port}" }\n${pipelines}${coreYaml}`,
      )
    }
  }

  #pipeline(): string {
    const { name, seed, counted, durabilityMs, recordsPerSecond, sourceYaml } = this.options
    const serial = deviceNames(this.options).map(
      source =>
        `  ${source}:\n    serial: { path: ${this.path(source)}, baud: 115200 }\n    frame: { delimiter: "\\n", max_bytes: ${FRAME_BYTES_MAX} }\n${sourceYaml}`,
    )
    const generators = counterNames(this.options).map(
      source =>
        `  ${source}:\n    generator: { records_per_second: ${recordsPerSecond}, count: ${counted}, seed: ${seed} }\n${sourceYaml}`,
    )
    const job = `batch:\n  copy:\n    input: ndjson\n    environment: { OUT: ${this.path('out')} }\n    run: [sh, -c, ${JSON.stringify(OUTPUT_COMMAND)}]\n`
    return `pipeline: ${name}\ndurability: ${durabilityMs}ms\nsources:\n${serial.join('')}${generators.join('')}${job}`
  }
}

function deviceNames({ devices }: PlantOptions): string[] {
  return Array.from({ length: devices }, (_, index) => `device-${index + 1}`)
}

function counterNames({ counters }: PlantOptions): string[] {
  return Array.from({ length: counters }, (_, index) => `counter-${index + 1}`)
}
