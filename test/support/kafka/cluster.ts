import type { ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../../hardware/simulators/free-port.ts'
import { BrokerProcess } from './broker.ts'
import { JavaProcesses } from './java.ts'
import { kafkaClassPath } from './provision.ts'

export interface ClusterOptions {
  /** Brokers, each of which is a controller too: 1 (the default) or 3. */
  readonly brokers?: number
  readonly heapMb?: number
  /** Settings of server.properties, over the ones below. */
  readonly settings?: Record<string, string | number>
  /** Ports that the nodes tell clients to use: proxies of the test that lead to {@link KafkaCluster.port}. */
  readonly advertisedPorts?: readonly number[]
  /** Further listeners, such as `SECURE://127.0.0.1:20001`; how they are secured is for the settings to say. */
  readonly listeners?: readonly string[]
  /** Further arguments of the storage tool that formats a node. */
  readonly format?: readonly string[]
}

export interface ToolRun {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface ToolLimits {
  /** Ended with SIGKILL after this time, ms. */
  readonly limitMs?: number
  /** What the tool reads from its standard input. */
  readonly input?: string
  /** Flags of the Java machine; those of a tool that runs for a second unless set. */
  readonly javaFlags?: readonly string[]
}

const HEAP_MB_ALONE = 512
const HEAP_MB_OF_SEVERAL = 320
const TOOL_LIMIT_MS = 60_000
const SHORT_TOOL_FLAGS = ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
/** Between the look for a free port and the broker's own bind somebody else may take it. */
const START_ATTEMPTS_MAX = 3

/**
 * A real Kafka cluster on 127.0.0.1 for one test file. Nodes are numbered from 1. Whoever starts one stops it; what is left
 * when the process ends is ended with it.
 */
export class KafkaCluster {
  /** Undefined where the nodes are somebody else's. */
  readonly #dir: string | undefined
  readonly #java: JavaProcesses
  readonly #classPath: string
  readonly #ports: readonly number[]
  readonly #brokers: readonly BrokerProcess[]

  private constructor(
    dir: string | undefined,
    java: JavaProcesses,
    classPath: string,
    ports: readonly number[],
    brokers: readonly BrokerProcess[],
  ) {
    this.#dir = dir
    this.#java = java
    this.#classPath = classPath
    this.#ports = ports
    this.#brokers = brokers
  }

  /** A cluster that somebody else has started, for its tools: it has no nodes that could be stopped. */
  static async at(bootstrap: string): Promise<KafkaCluster> {
    const ports = bootstrap.split(',').map(address => Number(address.split(':')[1]))
    return new KafkaCluster(undefined, new JavaProcesses(), await kafkaClassPath(), ports, [])
  }

  /** Resolves when every broker takes requests. */
  static async start(options: ClusterOptions = {}): Promise<KafkaCluster> {
    const classPath = await kafkaClassPath()
    for (let attempt = 1; ; attempt++) {
      const cluster = await KafkaCluster.#layOut(options, classPath)
      try {
        await cluster.#formatAndStart(options.format ?? [])
        return cluster
      } catch (error) {
        await cluster.stop()
        if (attempt === START_ATTEMPTS_MAX || !String(error).includes('Address already in use')) throw error
      }
    }
  }

  static async #layOut(options: ClusterOptions, classPath: string): Promise<KafkaCluster> {
    const nodes = Array.from({ length: options.brokers ?? 1 }, (_, index) => index + 1)
    const dir = mkdtempSync(join(tmpdir(), 'headrace-kafka-'))
    const java = new JavaProcesses()
    const ports = await Promise.all(nodes.map(() => freePort()))
    const controllerPorts = await Promise.all(nodes.map(() => freePort()))
    const voters = nodes.map((node, index) => `${node}@127.0.0.1:${controllerPorts[index]}`).join(',')
    const replicas = Math.min(3, nodes.length)
    const heapMb = options.heapMb ?? (nodes.length === 1 ? HEAP_MB_ALONE : HEAP_MB_OF_SEVERAL)
    const brokers = nodes.map((node, index) => {
      const listener = listenersAt(ports[index], options)
      const properties = {
        'process.roles': 'broker,controller',
        'node.id': node,
        listeners: `${listener},CONTROLLER://127.0.0.1:${controllerPorts[index]}`,
        'advertised.listeners': listenersAt(options.advertisedPorts?.[index] ?? ports[index], options),
        'controller.listener.names': 'CONTROLLER',
        'controller.quorum.voters': voters,
        'auto.create.topics.enable': 'false',
        'group.initial.rebalance.delay.ms': 0,
        'offsets.topic.num.partitions': 1,
        'offsets.topic.replication.factor': replicas,
        'transaction.state.log.num.partitions': 1,
        'transaction.state.log.replication.factor': replicas,
        'transaction.state.log.min.isr': 1,
        'share.coordinator.state.topic.replication.factor': replicas,
        'share.coordinator.state.topic.min.isr': 1,
        ...options.settings,
      }
      return new BrokerProcess({ node, dir: join(dir, `node-${node}`), classPath, heapMb, properties }, java)
    })
    return new KafkaCluster(dir, java, classPath, ports, brokers)
  }

  async #formatAndStart(further: readonly string[]): Promise<void> {
    const id = randomUUID().replaceAll('-', '').slice(0, 22)
    const formatted = await Promise.all(
      this.#brokers.map(broker =>
        this.tool('kafka.tools.StorageTool', ['format', '-t', id, '-c', broker.propertiesFile, ...further]),
      ),
    )
    const failed = formatted.find(run => run.code !== 0)
    if (failed) throw new Error(`a broker's directory cannot be formatted:\n${failed.stdout}${failed.stderr}`)
    await Promise.all(this.#brokers.map(broker => broker.start()))
  }

  /** `host:port` of every broker. */
  get addresses(): string[] {
    return this.#ports.map(port => `127.0.0.1:${port}`)
  }

  /** `host:port,…`, as Kafka's tools take it. */
  get bootstrap(): string {
    return this.addresses.join(',')
  }

  /** Where a node listens. */
  port(node: number): number {
    return this.#ports[node - 1] ?? 0
  }

  /** Where a node's data lies. */
  dataDir(node: number): string {
    return join(this.#dir ?? '', `node-${node}`, 'data')
  }

  /** What a node has logged since its latest start. */
  log(node: number): string {
    return this.#broker(node).log
  }

  pid(node: number): number | undefined {
    return this.#broker(node).pid
  }

  /** SIGKILL; resolves when the process is gone. */
  kill9(node: number): Promise<void> {
    return this.#broker(node).kill9()
  }

  /** SIGSTOP: the broker is frozen, its connections stay open. */
  stopped(node: number): void {
    this.#broker(node).signal('SIGSTOP')
  }

  /** SIGCONT: the frozen broker goes on. */
  cont(node: number): void {
    this.#broker(node).signal('SIGCONT')
  }

  /** Ends the node (SIGTERM) if it runs, starts it again on its data and port, and resolves when it takes requests. */
  async restart(node: number): Promise<void> {
    const broker = this.#broker(node)
    await broker.stop()
    await broker.start()
  }

  /** Ends every process and deletes the data. */
  async stop(): Promise<void> {
    await this.#java.end()
    if (this.#dir) rmSync(this.#dir, { recursive: true, force: true })
  }

  /**
   * Runs one of Kafka's own tools, such as `org.apache.kafka.tools.consumer.ConsoleConsumer`, to its end.
   * A tool that outlives its limit is killed; its `code` is null then.
   */
  tool(mainClass: string, args: readonly string[], limits: ToolLimits = {}): Promise<ToolRun> {
    return new Promise((resolve, reject) => {
      const flags = [...(limits.javaFlags ?? SHORT_TOOL_FLAGS), '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn']
      const child = this.#java.spawn([...flags, '-cp', this.#classPath, mainClass, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
      const limit = setTimeout(() => child.kill('SIGKILL'), limits.limitMs ?? TOOL_LIMIT_MS)
      let stdout = ''
      let stderr = ''
      child.stdout?.on('data', bytes => (stdout += bytes))
      child.stderr?.on('data', bytes => (stderr += bytes))
      child.stdin?.on('error', () => {})
      child.stdin?.end(limits.input ?? '')
      child.on('error', reject)
      child.on('close', code => {
        clearTimeout(limit)
        resolve({ code, stdout, stderr })
      })
    })
  }

  /** Starts a Java program of Kafka's that runs on, such as Connect; it is ended with the cluster. What it says goes to `log`. */
  service(mainClass: string, args: readonly string[], log: string): ChildProcess {
    const out = openSync(log, 'w')
    const flags = ['-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', this.#classPath, mainClass]
    const child = this.#java.spawn([...flags, ...args], { cwd: this.#dir ?? tmpdir(), stdio: ['ignore', out, out] })
    closeSync(out)
    return child
  }

  #broker(node: number): BrokerProcess {
    const broker = this.#brokers[node - 1]
    if (!broker) throw new Error(`this cluster has nodes 1 to ${this.#brokers.length}, not ${node}`)
    return broker
  }
}

function listenersAt(port: number | undefined, { listeners = [] }: ClusterOptions): string {
  return [`PLAINTEXT://127.0.0.1:${port}`, ...listeners].join(',')
}
