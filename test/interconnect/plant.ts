import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { EdgeStatus } from '../../src/cli/edge-status.ts'
import { type SourceId, sourceKey } from '../../src/runtime/names.ts'
import { PAYLOAD_BYTES_MAX, seedOf, writePayload } from '../../src/source/generator-payload.ts'
import type { Expectation } from '../fault/checker.ts'
import { HeadraceProcess, statusOf } from '../support/headrace-process.ts'

export const TOPIC = 'proof'

export interface PlantOptions {
  /** Lines of core.yaml's `ingress:` and edge.yaml's `uplink:`, in YAML's flow style. */
  readonly ingress: (core: number) => string
  readonly uplink: (gateway: string) => string
  /** `log:` of every core. */
  readonly log: string
  readonly cores: number
  readonly gateways: readonly string[]
  readonly sources: number
  readonly records: number
  readonly recordsPerSecond: number
  readonly seed: number
  readonly buffer?: string
  /** Where others use the same Kafka. */
  readonly topic?: string
}

interface CoreStatus {
  readonly alarms: readonly { readonly code: string; readonly source?: string }[]
}

/** Gateways with generators and cores, as processes, with whatever is between them. */
export class Plant {
  readonly folder = mkdtempSync(join(tmpdir(), 'headrace-interconnect-'))
  readonly edges = new Map<string, HeadraceProcess>()
  readonly cores: readonly HeadraceProcess[]
  readonly #options: PlantOptions

  constructor(options: PlantOptions) {
    this.#options = options
    const { records, recordsPerSecond, seed, sources } = options
    const pipeline = join(this.folder, 'proof.yaml')
    const lines = Array.from(
      { length: sources },
      (_, index) =>
        `  source-${index}: { generator: { records_per_second: ${recordsPerSecond}, count: ${records}, seed: ${seed} } }\n`,
    )
    writeFileSync(pipeline, `pipeline: ${options.topic ?? TOPIC}\ndurability: 20ms\nsources:\n${lines.join('')}`)
    this.cores = Array.from({ length: options.cores }, (_, index) => {
      const state = join(this.folder, `core-${index}`)
      const text = `name: core-${index}\nstate: ${state}\nlog: ${options.log}\ningress: ${options.ingress(index)}\n`
      return this.#process('core', `core-${index}`, state, text)
    })
    for (const gateway of options.gateways) {
      const state = join(this.folder, gateway)
      const buffer = options.buffer ? `buffer: ${options.buffer}\n` : ''
      const text = `gateway: ${gateway}\nstate: ${state}\nuplink: ${options.uplink(gateway)}\n${buffer}pipelines: [${JSON.stringify(pipeline)}]\n`
      this.edges.set(gateway, this.#process('edge', gateway, state, text))
    }
  }

  edge(gateway: string): HeadraceProcess {
    const found = this.edges.get(gateway)
    if (!found) throw new Error(`no gateway ${gateway}`)
    return found
  }

  async edgeStatus(gateway: string): Promise<EdgeStatus | undefined> {
    const status = await statusOf<EdgeStatus | { running: false }>(['--state', join(this.folder, gateway)])
    return status?.running ? status : undefined
  }

  coreStatus(index: number): Promise<CoreStatus | undefined> {
    return statusOf<CoreStatus>(['--state', join(this.folder, `core-${index}`)])
  }

  /** Every gateway's records were read and taken over by whoever it sends to. */
  async isDrained(): Promise<boolean> {
    const { records, sources, gateways } = this.#options
    for (const gateway of gateways) {
      const status = await this.edgeStatus(gateway).catch(() => undefined)
      if (!status || status.sources.length !== sources) return false
      if (!status.sources.every(({ settled, buffered }) => settled >= records && buffered.records === 0)) return false
    }
    return true
  }

  /** What the checker has to find. */
  async expectation(): Promise<Expectation> {
    const { records, seed } = this.#options
    const entries: [string, { partition: number; records: number; payload(number: number): Buffer }][] = []
    for (const gateway of this.#options.gateways) {
      for (const { source, partition } of (await this.edgeStatus(gateway))?.sources ?? []) {
        const own = seedOf(seed, source)
        const scratch = Buffer.alloc(PAYLOAD_BYTES_MAX)
        const payload = (number: number) => Buffer.from(scratch.subarray(0, writePayload('meter', own, number, 0, scratch, 0)))
        entries.push([`${gateway}/${source}`, { partition: partition ?? -1, records, payload }])
      }
    }
    return { sources: new Map(entries) }
  }

  /** The same for gateways that may not be there any more, of what lies in the log: so many records of each. */
  expectedOf(lying: readonly { readonly source: SourceId; readonly partition: number; readonly records: number }[]): Expectation {
    const { seed } = this.#options
    const entries = lying.map(({ source, partition, records }) => {
      const own = seedOf(seed, source.source)
      const scratch = Buffer.alloc(PAYLOAD_BYTES_MAX)
      const payload = (number: number) => Buffer.from(scratch.subarray(0, writePayload('meter', own, number, 0, scratch, 0)))
      return [sourceKey(source), { partition, records, payload }] as const
    })
    return { sources: new Map(entries) }
  }

  async end(): Promise<void> {
    for (const process of [...this.edges.values(), ...this.cores]) await process.end()
    rmSync(this.folder, { recursive: true, force: true })
  }

  #process(command: 'edge' | 'core', name: string, state: string, text: string): HeadraceProcess {
    const config = join(this.folder, `${name}.yaml`)
    writeFileSync(config, text)
    mkdirSync(state)
    return new HeadraceProcess({ name, args: [command, '--config', config], logPath: join(this.folder, `${name}.log`) })
  }
}
