import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { dial } from '../../src/amqp/dial.ts'
import { Link } from '../../src/link/link.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { MemoryBuffer, MemoryDisk } from '../support/memory-buffer.ts'
import { type CoresCommand, type CoresReport, type CoresSetup, FLEET_TOPIC } from './fleet-messages.ts'

const CORES = fileURLToPath(new URL('./fleet-cores.ts', import.meta.url))

/** Many gateways in this process, over real connections to two ingresses in another. */
export class Fleet {
  readonly buffers: MemoryBuffer[] = []
  readonly #cores: ChildProcess
  readonly #ports: readonly number[]
  readonly #links: Link[] = []
  readonly #sources: readonly string[]
  readonly #kill = () => this.#cores.kill('SIGKILL')

  readonly #topics: number

  private constructor(cores: ChildProcess, ports: readonly number[], sources: number, topics: number) {
    this.#cores = cores
    this.#ports = ports
    this.#topics = topics
    this.#sources = Array.from({ length: sources }, (_, index) => `source-${index}`)
    process.once('exit', this.#kill)
  }

  /** `brokers`: a real Kafka, before which the ingresses are; the model of a log unless given. Gateways are spread over so many topics. */
  static async start(options: {
    sources: number
    brokers?: readonly string[]
    topics?: number
  }): Promise<{ fleet: Fleet; idle: CoresReport }> {
    const { sources, brokers, topics = 1 } = options
    const ports = [await freePort(), await freePort()]
    const setup: CoresSetup = { ports, ...(brokers && { brokers }) }
    const cores = fork(CORES, [JSON.stringify(setup)], { execArgv: ['--expose-gc'] })
    const fleet = new Fleet(cores, ports, sources, topics)
    const [idle] = (await once(cores, 'message')) as [CoresReport]
    return { fleet, idle }
  }

  /** The process of the ingresses. */
  get coresPid(): number {
    return this.#cores.pid ?? 0
  }

  /** Further gateways connect, half of them first to the one core and half to the other. */
  add(gateways: number): void {
    for (let index = 0; index < gateways; index++) {
      const number = this.#links.length
      const gateway = `gw-${number}`
      const buffer = new MemoryBuffer(gateway, new MemoryDisk(`instance-of-${gateway}`))
      for (const source of this.#sources) buffer.addSource(source, `${FLEET_TOPIC}${1 + (number % this.#topics)}`)
      const connect = (attempt: number) => {
        const url = `amqp://127.0.0.1:${this.#ports[(number + attempt) % this.#ports.length]}`
        return dial({ url, containerId: gateway, clock: systemClock, log: silentLogger })
      }
      const alarms = new Alarms(systemClock)
      const link = new Link({ gateway, buffer, connect, clock: systemClock, random: Math.random, log: silentLogger, alarms })
      this.buffers.push(buffer)
      this.#links.push(link)
      link.start()
    }
  }

  /** Every source's device gives `count` more records. */
  give(count: number): void {
    for (const buffer of this.buffers) for (const source of this.#sources) buffer.give(source, count)
  }

  /** Sources that the cores have told their places. */
  opened(): number {
    return this.buffers.flatMap(buffer => buffer.outlets()).filter(outlet => outlet.assignment !== undefined).length
  }

  settled(): number {
    return this.buffers.flatMap(buffer => buffer.outlets()).reduce((sum, outlet) => sum + outlet.settled, 0)
  }

  async tell(command: CoresCommand): Promise<CoresReport> {
    this.#cores.send(command)
    const [report] = (await once(this.#cores, 'message')) as [CoresReport]
    return report
  }

  async end(): Promise<void> {
    await Promise.all(this.#links.map(link => link.stop()))
    this.#cores.kill('SIGKILL')
    process.removeListener('exit', this.#kill)
  }
}
