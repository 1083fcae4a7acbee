import type { ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, copyFileSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../../hardware/simulators/free-port.ts'
import { endNow, JavaProcesses } from '../kafka/java.ts'
import { provisioned, ran } from '../provisioned.ts'

const POM = fileURLToPath(new URL('./pom.xml', import.meta.url))
const START_LIMIT_MS = 90_000
const POLL_MS = 50
/** Broker-J says so when it takes connections. */
const READY = 'BRK-1004'

/** A real Qpid Broker-J on 127.0.0.1, with its messages in Derby. Queues are made when they are asked for. */
export class BrokerJ {
  readonly port: number
  readonly #dir: string
  readonly #classPath: string
  readonly #java = new JavaProcesses()
  #child: ChildProcess | undefined
  #starts = 0

  private constructor(dir: string, classPath: string, port: number) {
    this.#dir = dir
    this.#classPath = classPath
    this.port = port
  }

  static async create(users: readonly string[], password: string): Promise<BrokerJ> {
    const stamp = createHash('sha256').update(readFileSync(POM)).digest('hex')
    const home = await provisioned('qpid-broker-j-10.1.0', stamp, async folder => {
      copyFileSync(POM, join(folder, 'pom.xml'))
      const lib = `-DoutputDirectory=${join(folder, 'lib')}`
      await ran('mvn', ['-B', '-q', '-f', join(folder, 'pom.xml'), 'dependency:copy-dependencies', '-DincludeScope=runtime', lib])
    })
    const dir = mkdtempSync(join(tmpdir(), 'headrace-qpid-'))
    const broker = new BrokerJ(dir, join(home, 'lib', '*'), await freePort())
    writeFileSync(join(dir, 'config.json'), JSON.stringify(configuration(broker.port, users, password)))
    return broker
  }

  get url(): string {
    return `amqp://127.0.0.1:${this.port}`
  }

  get log(): string {
    return readFileSync(this.#logFile(), 'utf8')
  }

  /** Resolves when it takes connections. */
  async start(): Promise<void> {
    this.#starts += 1
    const log = openSync(this.#logFile(), 'w')
    const flags = ['-Xmx256m', '-XX:+UseSerialGC', `-Dderby.stream.error.file=${join(this.#dir, 'derby.log')}`]
    const config = ['-icp', join(this.#dir, 'config.json'), '-prop', `qpid.work_dir=${join(this.#dir, 'work')}`]
    const child = this.#java.spawn([...flags, '-cp', this.#classPath, 'org.apache.qpid.server.Main', ...config], {
      cwd: this.#dir,
      stdio: ['ignore', log, log],
    })
    this.#child = child
    closeSync(log)
    const giveUpAt = performance.now() + START_LIMIT_MS
    while (!this.log.includes(READY)) {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`Broker-J ended at its start:\n${this.log.slice(-4_000)}`)
      if (performance.now() > giveUpAt)
        throw new Error(`Broker-J did not start in ${START_LIMIT_MS} ms:\n${this.log.slice(-4_000)}`)
      await sleep(POLL_MS)
    }
  }

  async kill9(): Promise<void> {
    if (this.#child) await endNow(this.#child)
  }

  async stop(): Promise<void> {
    await this.#java.end()
    rmSync(this.#dir, { recursive: true, force: true })
  }

  #logFile(): string {
    return join(this.#dir, `start-${this.#starts}.log`)
  }
}

function configuration(port: number, users: readonly string[], password: string): object {
  const policy = { pattern: 'headrace\\..*', createdOnPublish: true, createdOnConsume: true, nodeType: 'queue', attributes: {} }
  const host = { type: 'DERBY', nodeAutoCreationPolicies: [policy] }
  return {
    name: 'headrace-tests',
    modelVersion: '9.1',
    authenticationproviders: [
      {
        name: 'plain',
        type: 'Plain',
        secureOnlyMechanisms: [],
        users: users.map(name => ({ name, type: 'managed', password })),
      },
    ],
    brokerloggers: [
      {
        name: 'console',
        type: 'Console',
        brokerloginclusionrules: [{ name: 'Operational', type: 'NameAndLevel', level: 'INFO', loggerName: 'qpid.message.*' }],
      },
    ],
    ports: [
      {
        name: 'AMQP',
        type: 'AMQP',
        bindingAddress: '127.0.0.1',
        port,
        authenticationProvider: 'plain',
        protocols: ['AMQP_1_0'],
        virtualhostaliases: [
          { name: 'nameAlias', type: 'nameAlias' },
          { name: 'defaultAlias', type: 'defaultAlias' },
          { name: 'hostnameAlias', type: 'hostnameAlias' },
        ],
      },
    ],
    virtualhostnodes: [
      {
        name: 'default',
        type: 'JSON',
        defaultVirtualHostNode: 'true',
        virtualHostInitialConfiguration: JSON.stringify(host),
      },
    ],
  }
}
