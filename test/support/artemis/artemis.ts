import { type ChildProcess, execFileSync } from 'node:child_process'
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../../hardware/simulators/free-port.ts'
import { endNow, JavaProcesses } from '../kafka/java.ts'
import { provisioned, ran } from '../provisioned.ts'

const VERSION = '2.56.0'
const ARTIFACT = `org.apache.artemis:apache-artemis:${VERSION}:tar.gz:bin`
/** The configuration that is shipped. */
const SHIPPED = fileURLToPath(new URL('../../../deploy/artemis', import.meta.url))
const START_LIMIT_MS = 90_000
const POLL_MS = 50
/** Artemis says so when it takes connections. */
const READY = 'AMQ221007'
const FLAGS = ['-Xmx384m', '-XX:+UseSerialGC', '--add-opens', 'java.base/jdk.internal.misc=ALL-UNNAMED']

/** Users of the broker, and what the shipped configuration calls their roles. */
const USERS = {
  'headrace-core': ['headrace-core'],
  'plant-a-1': ['headrace-gateway', 'plant-a-1'],
  stranger: ['headrace-gateway', 'stranger'],
} as const
export const PASSWORD = 'of-the-tests'

/** What a broker shows, and whose certificates it takes; PEM files. */
export interface BrokerTls {
  readonly cert: string
  readonly key: string
  readonly ca: string
}

/** A real Artemis on 127.0.0.1 under the configuration that is shipped. Its journal outlives its process. */
export class Artemis {
  readonly port: number
  readonly #dir: string
  readonly #home: string
  readonly #java = new JavaProcesses()
  readonly #tls: BrokerTls | undefined
  readonly #properties: readonly string[] | undefined
  #child: ChildProcess | undefined
  #starts = 0

  private constructor(
    dir: string,
    home: string,
    port: number,
    tls: BrokerTls | undefined,
    properties: readonly string[] | undefined,
  ) {
    this.#dir = dir
    this.#home = home
    this.port = port
    this.#tls = tls
    this.#properties = properties
  }

  /**
   * With `tls` its acceptor is the shipped one for certificates, and users are who their certificates say. With `properties`, which are for a broker in a
   * cluster, it has a configuration as its operator makes it, and these.
   */
  static async create(tls?: BrokerTls, properties?: readonly string[]): Promise<Artemis> {
    const home = await provisioned(`artemis-${VERSION}`, ARTIFACT, async folder => {
      await ran('mvn', ['-B', '-q', 'dependency:copy', `-Dartifact=${ARTIFACT}`, `-DoutputDirectory=${folder}`])
      const [archive] = readdirSync(folder)
      await ran('tar', ['xzf', join(folder, archive ?? ''), '-C', folder, '--strip-components=1'])
    })
    const dir = mkdtempSync(join(tmpdir(), 'headrace-artemis-'))
    const instance = join(dir, 'broker')
    const options = ['--user', 'admin', '--password', PASSWORD, '--require-login', '--no-web', '--nio', '--no-autotune']
    await ran(join(home, 'bin', 'artemis'), ['create', '--silent', ...options, instance])
    const artemis = new Artemis(dir, home, await freePort(), tls, properties)
    artemis.#configure()
    return artemis
  }

  get url(): string {
    return `${this.#tls ? 'amqps' : 'amqp'}://127.0.0.1:${this.port}`
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Resolves when it takes connections. */
  async start(): Promise<void> {
    this.#starts += 1
    const log = openSync(this.#logFile(), 'w')
    const instance = join(this.#dir, 'broker')
    const properties = {
      'java.security.auth.login.config': join(instance, 'etc', 'login.config'),
      'artemis.home': this.#home,
      'artemis.instance': instance,
      'artemis.instance.etc': join(instance, 'etc'),
      'data.dir': join(instance, 'data'),
      'java.io.tmpdir': join(instance, 'tmp'),
      'log4j2.configurationFile': join(instance, 'etc', 'log4j2.properties'),
      'log4j2.disableJmx': 'true',
    }
    const given = Object.entries(properties).map(([key, value]) => `-D${key}=${value}`)
    const boot = ['-cp', join(this.#home, 'lib', 'artemis-boot.jar'), 'org.apache.activemq.artemis.boot.Artemis', 'run']
    const main = [...boot, ...(this.#properties ? ['--properties', this.#propertiesFile] : [])]
    const child = this.#java.spawn([...FLAGS, ...given, ...main], { cwd: instance, stdio: ['ignore', log, log] })
    this.#child = child
    closeSync(log)
    const giveUpAt = performance.now() + START_LIMIT_MS
    while (!this.log.includes(READY)) {
      if (!this.running) throw new Error(`Artemis ended at its start:\n${this.log.slice(-4_000)}`)
      if (performance.now() > giveUpAt)
        throw new Error(`Artemis did not start in ${START_LIMIT_MS} ms:\n${this.log.slice(-4_000)}`)
      await sleep(POLL_MS)
    }
  }

  /** What it said since its latest start. */
  get log(): string {
    return readFileSync(this.#logFile(), 'utf8')
  }

  async kill9(): Promise<void> {
    if (this.#child) await endNow(this.#child)
  }

  /** Ends it and deletes its data. */
  async stop(): Promise<void> {
    await this.#java.end()
    rmSync(this.#dir, { recursive: true, force: true })
  }

  #configure(): void {
    const etc = join(this.#dir, 'broker', 'etc')
    const shipped = readFileSync(join(SHIPPED, 'broker.xml'), 'utf8')
    if (this.#properties && this.#tls) {
      this.#asInCluster(shipped, etc, this.#tls, this.#properties)
      return
    }
    const plain = shipped.replace('127.0.0.1:5672', `127.0.0.1:${this.port}`)
    writeFileSync(join(etc, 'broker.xml'), this.#tls ? this.#secured(shipped, etc, this.#tls) : plain)
    const users = Object.keys(USERS)
    writeFileSync(join(etc, 'artemis-users.properties'), users.map(user => `${user} = ${PASSWORD}\n`).join(''))
    const roles = Map.groupBy(
      Object.entries(USERS).flatMap(([user, of]) => of.map(role => ({ user, role }))),
      ({ role }) => role,
    )
    const lines = [...roles].map(([role, members]) => `${role} = ${members.map(({ user }) => user).join(',')}\n`)
    writeFileSync(join(etc, 'artemis-roles.properties'), lines.join(''))
  }

  /** The steps of docs/interconnect.md, "With certificates": the acceptor that stands in a comment takes the place of the one that is there. */
  #secured(shipped: string, etc: string, { cert, key, ca }: BrokerTls): string {
    const store = ['-out', join(etc, 'broker.p12'), '-name', 'broker', '-passout', `pass:${PASSWORD}`]
    execFileSync('openssl', ['pkcs12', '-export', '-in', cert, '-inkey', key, ...store])
    copyFileSync(ca, join(etc, 'root.crt'))
    appendFileSync(join(etc, 'login.config'), readFileSync(join(SHIPPED, 'login.config')))
    for (const file of ['headrace-users.properties', 'headrace-roles.properties'])
      copyFileSync(join(SHIPPED, file), join(etc, file))
    const secured = /<acceptor name="amqps">.*<\/acceptor>/.exec(shipped)?.[0]
    if (secured === undefined) throw new Error('the shipped broker.xml has no acceptor for certificates')
    const acceptor = secured
      .replaceAll('PASSWORD', PASSWORD)
      .replaceAll('ETC', etc)
      .replace('0.0.0.0:5671', `127.0.0.1:${this.port}`)
    return shipped.replace(/<acceptor name="amqp">.*<\/acceptor>/, acceptor)
  }

  get #propertiesFile(): string {
    return join(this.#dir, 'broker.properties')
  }

  /** The acceptor has what an operator takes from its resource: TLS and the ask for a certificate. Everything else is in the properties. */
  #asInCluster(shipped: string, etc: string, tls: BrokerTls, properties: readonly string[]): void {
    const acceptor = /tcp:[^<]*/.exec(this.#secured(shipped, etc, tls).match(/<acceptor name="amqps">.*/)?.[0] ?? '')?.[0] ?? ''
    const ofOperator = acceptor.replace(/;?(saslMechanisms|securityDomain|amqpIdleTimeout|amqpCredits|amqpLowCredits)=[^;]*/g, '')
    const made = readFileSync(join(etc, 'broker.xml'), 'utf8')
    const own = made.replace(
      /<acceptors>[\s\S]*<\/acceptors>/,
      `<acceptors><acceptor name="amqps">${ofOperator}</acceptor></acceptors>`,
    )
    writeFileSync(join(etc, 'broker.xml'), own)
    writeFileSync(this.#propertiesFile, `${properties.join('\n')}\n`)
  }

  /** Another gateway with a certificate, as a user adds one: it may open, and has no queue of its own yet. The broker reads it without a restart. */
  admit(gateway: string): void {
    const file = (name: string) => join(this.#dir, 'broker', 'etc', `headrace-${name}.properties`)
    appendFileSync(file('users'), `${gateway}=CN=${gateway}\n`)
    const roles = readFileSync(file('roles'), 'utf8').replace(/^headrace-gateway=.*$/m, line => `${line},${gateway}`)
    writeFileSync(file('roles'), `${roles}${gateway}=${gateway}\n`)
  }

  #logFile(): string {
    return join(this.#dir, `start-${this.#starts}.log`)
  }
}
