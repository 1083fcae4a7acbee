import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { Pty } from '../../hardware/simulators/pty.ts'
import type { EdgeStatus } from '../../src/cli/edge-status.ts'
import { messageOf } from '../../src/runtime/errors.ts'
import { type CommandRun, HeadraceProcess, headrace, statusOf } from '../support/headrace-process.ts'
import { until } from '../support/until.ts'

export const GATEWAY = 'plant-b'
/** Of each process's log in the account of what was waited for in vain. */
const ACCOUNT_LINES = 12

/** Parts of a core's status that tests look at. */
export interface CoreStatus {
  readonly running: true
  readonly sources: readonly { source: string; topic: string; partition: number; next: number }[]
  readonly jobs: readonly { job: string; lag: number | null }[]
  readonly analysers: readonly { analyser: string; sources: number; lag: number }[]
}

/** An edge and a core as two processes, with a serial device on a pseudo terminal and a folder for what comes out. */
export class PlantUnderTest {
  readonly folder: string
  readonly edge: HeadraceProcess
  readonly core: HeadraceProcess
  readonly device: Pty

  private constructor(folder: string, device: Pty) {
    this.folder = folder
    this.device = device
    const process = (role: 'edge' | 'core') =>
      new HeadraceProcess({
        name: role,
        args: [role, '--config', join(folder, `${role}.yaml`)],
        logPath: join(folder, `${role}.log`),
      })
    this.edge = process('edge')
    this.core = process('core')
  }

  /** `log`: the `log:` of core.yaml; `pipeline`: what follows its name, with $DIR for the folder and $PORT for the device. */
  static async create(options: { log: string; pipeline: string; topic: string }): Promise<PlantUnderTest> {
    const folder = mkdtempSync(join(tmpdir(), 'headrace-plant-'))
    const plant = new PlantUnderTest(folder, await Pty.open(join(folder, 'usb-port0')))
    const port = await freePort()
    mkdirSync(join(folder, 'out'))
    const text = options.pipeline.replaceAll('$DIR', folder).replaceAll('$PORT', join(folder, 'usb-port0'))
    writeFileSync(join(folder, 'pipeline.yaml'), `pipeline: ${options.topic}\ndurability: 10ms\n${text}`)
    writeFileSync(
      join(folder, 'core.yaml'),
      `state: ${folder}/core\nlog: ${options.log}\ningress: { listen: "amqp://127.0.0.1:${port}" }\npipelines: [pipeline.yaml]\n`,
    )
    writeFileSync(
      join(folder, 'edge.yaml'),
      `gateway: ${GATEWAY}\nstate: ${folder}/edge\nuplink: { url: "amqp://127.0.0.1:${port}" }\npipelines: [pipeline.yaml]\n`,
    )
    return plant
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  read(name: string): string {
    return readFileSync(this.path(name), 'utf8')
  }

  edgeStatus(): Promise<EdgeStatus | undefined> {
    return this.#status<EdgeStatus>('edge')
  }

  coreStatus(): Promise<CoreStatus | undefined> {
    return this.#status<CoreStatus>('core')
  }

  /** A command of the core, such as `batch list`. */
  command(...args: string[]): Promise<CommandRun> {
    return headrace([...args, '--config', this.path('core.yaml')], { limitMs: 60_000 })
  }

  /** The first lines of `headrace tail`, which is ended then; it has to end well. */
  async tail(source: string, lines: number): Promise<object[]> {
    const logPath = this.path(`tail-${Date.now()}`)
    const args = ['tail', source, '--last', String(lines), '--json', '--config', this.path('core.yaml')]
    const process = new HeadraceProcess({ name: 'tail', args, logPath })
    process.start()
    const read = () => (existsSync(logPath) ? readFileSync(logPath, 'utf8').split('\n').slice(0, -1) : [])
    await until(`${lines} lines of tail`, () => read().length >= lines)
    const code = await process.stop()
    await process.end()
    if (code !== 0) throw new Error(`tail ended with ${code}`)
    return read().map(line => JSON.parse(line) as object)
  }

  async json<Result>(...args: string[]): Promise<Result> {
    const { stdout, stderr } = await this.command(...args, '--json')
    if (stdout === '') throw new Error(`${args.join(' ')}: ${stderr}`)
    return JSON.parse(stdout) as Result
  }

  /** {@link until}, which tells what the two processes said and how they stood where it was in vain: of a run elsewhere nothing else is kept. */
  async until<T>(what: string, look: Parameters<typeof until<T>>[1]): Promise<T> {
    try {
      return await until(what, look)
    } catch (cause) {
      throw new Error(`${messageOf(cause)}\n${await this.#account()}`, { cause })
    }
  }

  async end(): Promise<void> {
    await this.edge.end()
    await this.core.end()
    await this.device.close()
    rmSync(this.folder, { recursive: true, force: true })
  }

  async #account(): Promise<string> {
    const lastLines = ({ name, logPath }: HeadraceProcess) => {
      const lines = existsSync(logPath) ? readFileSync(logPath, 'utf8').trim().split('\n') : []
      return lines.slice(-ACCOUNT_LINES).map(line => `${name}: ${line}`)
    }
    const stands = await Promise.all([this.edgeStatus().catch(messageOf), this.coreStatus().catch(messageOf)])
    return [...lastLines(this.edge), ...lastLines(this.core), ...stands.map(each => JSON.stringify(each))].join('\n')
  }

  async #status<Status extends { running: boolean }>(role: string): Promise<Status | undefined> {
    const status = await statusOf<Status>(['--config', this.path(`${role}.yaml`)])
    return status?.running ? status : undefined
  }
}
