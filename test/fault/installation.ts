import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../hardware/simulators/free-port.ts'
import type { EdgeStatus } from '../../src/cli/edge-status.ts'
import { PAYLOAD_BYTES_MAX, seedOf, writePayload } from '../../src/source/generator-payload.ts'
import { HeadraceProcess, statusOf } from '../support/headrace-process.ts'
import type { Expectation } from './checker.ts'

export interface InstallationOptions {
  readonly brokers: readonly string[]
  readonly sources: number
  readonly records: number
  readonly recordsPerSecond: number
  readonly seed: number
  readonly cores: number
}

export const GATEWAY = 'plant-a-1'
export const TOPIC = 'proof'

/** A gateway with generators, and cores before a Kafka: real processes with real files. */
export class Installation {
  readonly folder = mkdtempSync(join(tmpdir(), 'headrace-proof-'))
  readonly edge: HeadraceProcess
  readonly cores: readonly HeadraceProcess[]
  readonly #options: InstallationOptions

  private constructor(options: InstallationOptions, ports: readonly number[]) {
    this.#options = options
    const pipeline = join(this.folder, 'proof.yaml')
    writeFileSync(pipeline, pipelineText(options))
    const cores = ports.map((port, index) => {
      const config = join(this.folder, `core-${index}.yaml`)
      const state = join(this.folder, `core-${index}`)
      const brokers = JSON.stringify(options.brokers)
      writeFileSync(
        config,
        `name: core-${index}\nstate: ${state}\nlog: { kafka: { brokers: ${brokers} } }\ningress: { listen: "amqp://127.0.0.1:${port}" }\n`,
      )
      mkdirSync(state)
      return new HeadraceProcess({
        name: `core-${index}`,
        args: ['core', '--config', config],
        logPath: join(this.folder, `core-${index}.log`),
      })
    })
    const urls = ports.map(port => `amqp://127.0.0.1:${port}`)
    const config = join(this.folder, 'edge.yaml')
    writeFileSync(
      config,
      `gateway: ${GATEWAY}\nstate: ${join(this.folder, 'edge')}\nuplink: { urls: ${JSON.stringify(urls)} }\npipelines: [${JSON.stringify(pipeline)}]\n`,
    )
    this.edge = new HeadraceProcess({ name: 'edge', args: ['edge', '--config', config], logPath: join(this.folder, 'edge.log') })
    this.cores = cores
  }

  static async create(options: InstallationOptions): Promise<Installation> {
    const ports: number[] = []
    while (ports.length < options.cores) {
      const port = await freePort()
      if (!ports.includes(port)) ports.push(port)
    }
    return new Installation(options, ports)
  }

  /** Undefined while the agent is not running. */
  async status(): Promise<EdgeStatus | undefined> {
    const status = await statusOf<EdgeStatus | { running: false }>(['--state', join(this.folder, 'edge')])
    return status?.running ? status : undefined
  }

  /** All records were read, and the core has them. */
  async isDrained(): Promise<boolean> {
    const status = await this.status().catch(() => undefined)
    if (!status) return false
    const { sources, records } = this.#options
    return (
      status.sources.length === sources &&
      status.sources.every(source => source.settled >= records && source.buffered.records === 0)
    )
  }

  /** What the checker has to find, once the partitions are known. */
  async expectation(): Promise<Expectation> {
    const status = await this.status()
    const { seed, records } = this.#options
    const entries = (status?.sources ?? []).map(({ source, partition }) => {
      const own = seedOf(seed, source)
      const scratch = Buffer.alloc(PAYLOAD_BYTES_MAX)
      const payload = (number: number) => Buffer.from(scratch.subarray(0, writePayload('meter', own, number, 0, scratch, 0)))
      return [`${GATEWAY}/${source}`, { partition: partition ?? -1, records, payload }] as const
    })
    return { sources: new Map(entries) }
  }

  async end(): Promise<void> {
    for (const process of [this.edge, ...this.cores]) await process.end()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

function pipelineText({ sources, records, recordsPerSecond, seed }: InstallationOptions): string {
  const lines = ['pipeline: proof', 'durability: 20ms', 'sources:']
  for (let index = 0; index < sources; index++) {
    lines.push(`  source-${index}: { generator: { records_per_second: ${recordsPerSecond}, count: ${records}, seed: ${seed} } }`)
  }
  return `${lines.join('\n')}\n`
}
