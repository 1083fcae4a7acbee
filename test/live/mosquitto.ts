import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import mqttLibrary, { type MqttClient } from 'mqtt'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { until } from '../support/until.ts'

/** Debian puts it where an ordinary user's path does not look. */
const PROGRAM = existsSync('/usr/sbin/mosquitto') ? '/usr/sbin/mosquitto' : 'mosquitto'

/** A real MQTT broker, Eclipse Mosquitto, with persistence, for a time. */
export class Mosquitto {
  readonly folder = mkdtempSync(join(tmpdir(), 'headrace-mosquitto-'))
  readonly port: number
  readonly tlsPort: number
  #child: ChildProcess | undefined

  private constructor(port: number, tlsPort: number) {
    this.port = port
    this.tlsPort = tlsPort
  }

  static async start(): Promise<Mosquitto> {
    const broker = new Mosquitto(await freePort(), await freePort())
    broker.#makeCertificates()
    const lines = [
      'persistence true',
      `persistence_location ${broker.folder}/`,
      'max_queued_messages 0',
      // As root it would become another user, who may not write here.
      ...(process.getuid?.() === 0 ? ['user root'] : []),
      `listener ${broker.port} 127.0.0.1`,
      'allow_anonymous true',
      `listener ${broker.tlsPort} 127.0.0.1`,
      `certfile ${join(broker.folder, 'cert.pem')}`,
      `keyfile ${join(broker.folder, 'key.pem')}`,
    ]
    writeFileSync(join(broker.folder, 'mosquitto.conf'), `${lines.join('\n')}\n`)
    await broker.run()
    return broker
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`
  }

  get certificate(): string {
    return join(this.folder, 'cert.pem')
  }

  async run(): Promise<void> {
    this.#child = spawn(PROGRAM, ['-c', join(this.folder, 'mosquitto.conf')], { stdio: 'ignore' })
    const client = mqttLibrary.connect(this.url, { reconnectPeriod: 50 })
    client.on('error', () => {})
    await until('the broker answers', () => client.connected)
    await client.endAsync()
  }

  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (!child || child.exitCode !== null) return
    const ended = new Promise<void>(resolve => child.once('exit', () => resolve()))
    child.kill(signal)
    await ended
  }

  publisher(): Promise<MqttClient> {
    return mqttLibrary.connectAsync(this.url, { reconnectPeriod: 50 })
  }

  async remove(): Promise<void> {
    await this.end()
    rmSync(this.folder, { recursive: true, force: true })
  }

  #makeCertificates(): void {
    const files = ['-keyout', join(this.folder, 'key.pem'), '-out', this.certificate]
    const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2']
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...files, ...subject], { stdio: 'ignore' })
  }
}
