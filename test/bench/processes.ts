import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { controlPath } from '../../src/cli/state-paths.ts'
import { control } from '../../src/console/control-client.ts'
import { HeadraceProcess } from '../support/headrace-process.ts'
import { until } from '../support/until.ts'

const START_LIMIT_MS = 120_000

export type Role = 'edge' | 'core'

/** A process of the benchmark, with its state and its configuration in a folder. */
export class BenchProcess {
  readonly process: HeadraceProcess
  readonly #role: Role
  readonly #state: string

  constructor(folder: string, options: { name: string; role: Role; config: string; nodeArgs?: readonly string[] }) {
    const { name, role, config, nodeArgs = [] } = options
    this.#role = role
    this.#state = join(folder, `${name}-state`)
    mkdirSync(this.#state, { recursive: true })
    const path = join(folder, `${name}.yaml`)
    writeFileSync(path, `state: ${this.#state}\n${config}`)
    const logPath = join(folder, `${name}.log`)
    this.process = new HeadraceProcess({ name, args: [role, '--config', path, '--log-level', 'warn'], logPath, nodeArgs })
  }

  get pid(): number {
    return this.process.pid ?? 0
  }

  /** Starts it; resolves when it can be asked. */
  async start(): Promise<void> {
    this.process.start()
    await until(`${this.process.name} is there`, () => this.status(), START_LIMIT_MS)
  }

  /** Asked over the control socket, and not by a command: a process started for each look would take the CPU that is measured. */
  status<Status>(): Promise<Status | undefined> {
    return control<Status>(controlPath(this.#state, this.#role), 'status').catch(() => undefined)
  }

  stop(): Promise<number | null> {
    return this.process.stop()
  }

  end(): Promise<void> {
    return this.process.end()
  }
}

/** Stops them in this order, and ends what did not stop. */
export async function endAll(...processes: readonly { stop(): Promise<unknown>; end(): Promise<void> }[]): Promise<void> {
  for (const process of processes) await process.stop()
  for (const process of processes) await process.end()
}

/** core.yaml and edge.yaml, but for `state`. */
export function coreConfig(brokers: readonly string[], port: number, more = ''): string {
  return `log: { kafka: { brokers: ${JSON.stringify(brokers)} } }\ningress: { listen: "amqp://127.0.0.1:${port}" }\n${more}`
}

export function edgeConfig(gateway: string, port: number, pipelines: readonly string[]): string {
  return `gateway: ${gateway}\nuplink: { url: "amqp://127.0.0.1:${port}" }\npipelines: ${JSON.stringify(pipelines)}\n`
}
