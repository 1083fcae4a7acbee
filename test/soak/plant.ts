import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { Pty } from '../../hardware/simulators/pty.ts'
import type { EdgeStatus } from '../../src/cli/edge-status.ts'
import { controlPath } from '../../src/cli/state-paths.ts'
import { control } from '../../src/console/control-client.ts'
import { PAYLOAD_BYTES_MAX, seedOf, writePayload } from '../../src/source/generator-payload.ts'
import type { ConsumedRecord, Expectation } from '../fault/checker.ts'
import { WrongClock } from '../fault/faults/clocks.ts'
import { SmallFileSystem } from '../fault/faults/file-systems.ts'
import { TcpProxy } from '../link/tcp-proxy.ts'
import { HeadraceProcess } from '../support/headrace-process.ts'

export const GATEWAY = 'soak-1'
export const TOPIC = 'soak'
const PAYLOAD_SEED = 11
/** What a device says each time, ms apart. */
const DEVICE_EVERY_MS = 50
/** As `RestartSec` of the units. */
const SUPERVISED_EVERY_MS = 2_000
/** The edge's file system: its buffer fits in, with what SQLite keeps beside it, and it is soon full. */
const DISK_KIB = 160 * 1024

export interface PlantOptions {
  readonly brokers: readonly string[]
  readonly generators: number
  readonly recordsPerSecond: number
  /** Records of each generator. */
  readonly records: number
  readonly devices: number
  readonly cores: number
}

/** A serial device on a pseudo terminal that counts: a line for each number. */
class CountingDevice {
  readonly name: string
  readonly #pty: Pty
  #timer: NodeJS.Timeout | undefined
  #free = true
  said = 0

  constructor(name: string, pty: Pty) {
    this.name = name
    this.#pty = pty
  }

  start(): void {
    this.#timer = setInterval(() => {
      if (!this.#free) return
      this.#free = this.#pty.write(`${this.name} ${this.said++}\n`)
      if (!this.#free) void this.#pty.drained().then(() => (this.#free = true))
    }, DEVICE_EVERY_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  close(): Promise<void> {
    this.stop()
    return this.#pty.close()
  }
}

/** Edge, cores and devices as they would be installed, with a proxy on each link that can cut it. */
export class SoakPlant {
  readonly folder: string
  readonly edge: HeadraceProcess
  readonly cores: readonly HeadraceProcess[]
  readonly proxies: readonly TcpProxy[]
  readonly devices: readonly CountingDevice[]
  /** That of the edge; it takes root. */
  readonly disk: SmallFileSystem | undefined
  readonly #clocks: ReadonlyMap<HeadraceProcess, WrongClock>
  readonly #options: PlantOptions
  /** Processes that should run: one that ended by itself is started again, as systemd does (`Restart=always`). */
  readonly #wanted = new Set<HeadraceProcess>()
  readonly #supervisor: NodeJS.Timeout
  /** How often one was started again that had ended by itself. */
  restarts = 0

  private constructor(
    folder: string,
    options: PlantOptions,
    parts: Pick<SoakPlant, 'edge' | 'cores' | 'proxies' | 'devices' | 'disk'> & {
      clocks: ReadonlyMap<HeadraceProcess, WrongClock>
    },
  ) {
    this.folder = folder
    this.disk = parts.disk
    this.#clocks = parts.clocks
    this.#options = options
    this.edge = parts.edge
    this.cores = parts.cores
    this.proxies = parts.proxies
    this.devices = parts.devices
    this.#supervisor = setInterval(() => this.#supervise(), SUPERVISED_EVERY_MS)
  }

  start(process: HeadraceProcess): void {
    this.#wanted.add(process)
    process.start()
  }

  /** How far its clock is off from its next start on, ms. */
  setClock(process: HeadraceProcess, shiftMs: number): void {
    this.#clocks.get(process)?.set(shiftMs)
  }

  async kill9(process: HeadraceProcess): Promise<void> {
    this.#wanted.delete(process)
    await process.kill9()
  }

  #supervise(): void {
    for (const process of this.#wanted) {
      if (process.running) continue
      this.restarts += 1
      process.start()
    }
  }

  static async create(options: PlantOptions): Promise<SoakPlant> {
    const folder = mkdtempSync(join(tmpdir(), 'headrace-soak-'))
    const devices: CountingDevice[] = []
    for (let index = 0; index < options.devices; index++)
      devices.push(new CountingDevice(`device-${index}`, await Pty.open(join(folder, `port-${index}`))))
    writeFileSync(join(folder, 'soak.yaml'), pipelineText(folder, options, devices))
    const disk = process.getuid?.() === 0 ? new SmallFileSystem(DISK_KIB) : undefined
    if (disk) {
      mkdirSync(join(disk.path, 'edge'))
      symlinkSync(join(disk.path, 'edge'), join(folder, 'edge'))
    }
    const clocks = new Map<HeadraceProcess, WrongClock>()
    const started = (name: string, role: 'edge' | 'core', lines: readonly string[]) => {
      const clock = new WrongClock(join(folder, `${name}.clock`))
      const made = processOf(folder, { name, role, lines, clock })
      clocks.set(made, clock)
      return made
    }
    const cores: HeadraceProcess[] = []
    const proxies: TcpProxy[] = []
    for (let index = 0; index < options.cores; index++) {
      const port = await freePort()
      proxies.push(await TcpProxy.open(port))
      mkdirSync(join(folder, `core-${index}`))
      cores.push(
        started(`core-${index}`, 'core', [
          `name: core-${index}`,
          `state: ${join(folder, `core-${index}`)}`,
          `log: { kafka: { brokers: ${JSON.stringify(options.brokers)} } }`,
          `ingress: { listen: "amqp://127.0.0.1:${port}" }`,
        ]),
      )
    }
    const urls = proxies.map(({ port }) => `amqp://127.0.0.1:${port}`)
    const edge = started('edge', 'edge', [
      `gateway: ${GATEWAY}`,
      `state: ${join(folder, 'edge')}`,
      `uplink: { urls: ${JSON.stringify(urls)} }`,
      // Small, so that it has filled up long before the second half.
      'buffer: { quota: 64MiB, rewind: 2MiB }',
      'pipelines: ["soak.yaml"]',
    ])
    return new SoakPlant(folder, options, { edge, cores, proxies, devices, disk, clocks })
  }

  /** Undefined while the agent cannot be asked. */
  async status(): Promise<EdgeStatus | undefined> {
    return control<EdgeStatus>(controlPath(join(this.folder, 'edge'), 'edge'), 'status').catch(() => undefined)
  }

  async isDrained(): Promise<boolean> {
    const status = await this.status()
    if (!status) return false
    const { records } = this.#options
    return status.sources.every(
      ({ source, settled, buffered }) => buffered.records === 0 && (source.startsWith('device') || settled >= records),
    )
  }

  /** What the checker has to find of the generators; and of the devices, whose lines are lost while nobody reads them. */
  async expectations(): Promise<{ generators: Expectation; devices: Expectation }> {
    const status = await this.status()
    const entries = (status?.sources ?? []).map(({ source, partition }) => {
      const device = this.devices.find(({ name }) => name === source)
      const own = seedOf(PAYLOAD_SEED, source)
      const scratch = Buffer.alloc(PAYLOAD_BYTES_MAX)
      const payload = device
        ? (number: number) => Buffer.from(`${source} ${number}`)
        : (number: number) => Buffer.from(scratch.subarray(0, writePayload('meter', own, number, 0, scratch, 0)))
      const records = device ? device.said : this.#options.records
      return [`${GATEWAY}/${source}`, { partition: partition ?? -1, records, payload }] as const
    })
    const isDevice = (key: string) => key.includes('/device-')
    return {
      generators: { sources: new Map(entries.filter(([key]) => !isDevice(key))) },
      devices: { sources: new Map(entries.filter(([key]) => isDevice(key))) },
    }
  }

  async end(): Promise<void> {
    clearInterval(this.#supervisor)
    for (const process of [this.edge, ...this.cores]) await process.end()
    for (const proxy of this.proxies) await proxy.close()
    for (const device of this.devices) await device.close()
    this.disk?.unmount()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** The records of those partitions that an expectation is about. */
export function recordsOf(expectation: Expectation, records: readonly ConsumedRecord[]): ConsumedRecord[] {
  const partitions = new Set([...expectation.sources.values()].map(({ partition }) => partition))
  return records.filter(({ partition }) => partitions.has(partition))
}

function processOf(
  folder: string,
  { name, role, lines, clock }: { name: string; role: 'edge' | 'core'; lines: readonly string[]; clock: WrongClock },
): HeadraceProcess {
  const config = join(folder, `${name}.yaml`)
  writeFileSync(config, `${lines.join('\n')}\n`)
  return new HeadraceProcess({
    name,
    args: [role, '--config', config, '--log-level', 'warn'],
    logPath: join(folder, `${name}.log`),
    ...clock.changes,
  })
}

function pipelineText(folder: string, options: PlantOptions, devices: readonly CountingDevice[]): string {
  const { generators, recordsPerSecond, records } = options
  const lines = [`pipeline: ${TOPIC}`, 'durability: 20ms', 'sources:']
  for (let index = 0; index < generators; index++) {
    const load = `records_per_second: ${recordsPerSecond}, count: ${records}, seed: ${PAYLOAD_SEED}`
    lines.push(`  generator-${index}: { generator: { ${load} } }`)
  }
  for (const [index, { name }] of devices.entries())
    lines.push(`  ${name}: { serial: { path: "${join(folder, `port-${index}`)}" }, frame: { delimiter: "\\n" } }`)
  return `${lines.join('\n')}\n`
}
