import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { endNow } from '../../support/kafka/java.ts'
import type { DeviceReply, DeviceRequest, DeviceSetup } from './messages.ts'

const PROGRAM = fileURLToPath(new URL('./device-process.ts', import.meta.url))

/** The devices of a test, in their process. */
export class Devices {
  readonly #child: ChildProcess
  readonly #endNow = () => this.#child.kill('SIGKILL')

  private constructor(child: ChildProcess) {
    this.#child = child
    process.once('exit', this.#endNow)
  }

  static async open(seed: number, devices: readonly DeviceSetup[]): Promise<Devices> {
    const opened = new Devices(fork(PROGRAM, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }))
    await opened.#ask({ call: 'open', seed, devices })
    return opened
  }

  /** They give records from now on. */
  async go(): Promise<void> {
    await this.#ask({ call: 'go' })
  }

  /** They give no more records for now; resolves, with how many each gave, when all are in their ports. */
  rest(): Promise<Readonly<Record<string, number>>> {
    return this.#ask({ call: 'rest' })
  }

  /** Unplugs them all. */
  async end(): Promise<void> {
    if (this.#child.connected) await this.#ask({ call: 'finish' }).catch(() => {})
    await endNow(this.#child)
    process.removeListener('exit', this.#endNow)
  }

  #ask(request: DeviceRequest): Promise<Readonly<Record<string, number>>> {
    return new Promise((resolve, reject) => {
      const ended = () => reject(new Error('the process of the devices has ended'))
      this.#child.once('exit', ended)
      this.#child.once('message', (reply: DeviceReply) => {
        this.#child.off('exit', ended)
        if ('done' in reply) resolve(reply.done)
        else reject(new Error(reply.failed))
      })
      this.#child.send(request)
    })
  }
}
