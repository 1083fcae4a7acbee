/** Serial devices as a process of its own: whatever a test kills, what they gave is known from their ledgers. Talks to its parent over IPC. */
import { Pty } from '../../../hardware/simulators/pty.ts'
import { SeededRandom } from '../../support/random.ts'
import { heavyPayload, LedgerWriter, payloadOf } from './ledger-file.ts'
import type { DeviceReply, DeviceRequest, DeviceSetup } from './messages.ts'

/** Between two groups of records, ms. */
const PAUSE_MS = { min: 5, max: 60 }

class LedgerDevice {
  readonly source: string
  given = 0
  readonly #seed: number
  readonly #setup: DeviceSetup
  readonly #random: SeededRandom
  readonly #ledger: LedgerWriter
  readonly #pty: Pty
  #going = false
  #giving: Promise<void> = Promise.resolve()

  private constructor(seed: number, setup: DeviceSetup, pty: Pty) {
    this.source = setup.source
    this.#seed = seed
    this.#setup = setup
    this.#pty = pty
    this.#ledger = new LedgerWriter(setup.ledger)
    this.#random = new SeededRandom(seed + setup.source.length)
  }

  static async open(seed: number, setup: DeviceSetup): Promise<LedgerDevice> {
    return new LedgerDevice(seed, setup, await Pty.open(setup.link))
  }

  go(): void {
    if (this.#going) return
    this.#going = true
    this.#giving = this.#giving.then(() => this.#give())
  }

  /** Resolves when nothing more is being given. */
  rest(): Promise<void> {
    this.#going = false
    return this.#giving
  }

  async #give(): Promise<void> {
    while (this.#going) {
      const pauseMs = this.#random.between(PAUSE_MS.min, PAUSE_MS.max)
      const records = Math.max(1, Math.round((this.#setup.recordsPerSecond * pauseMs) / 1_000))
      await this.#group(records)
      await new Promise(resolve => setTimeout(resolve, pauseMs))
    }
  }

  async #group(records: number): Promise<void> {
    const payloads = Array.from({ length: records }, (_, index) => this.#payload(this.given + index))
    this.#ledger.write(payloads)
    this.given += records
    // A terminal that nobody reads pushes back: what the ledger holds waits there, and is not lost.
    if (!this.#pty.write(payloads.map(payload => `${payload}\n`).join(''))) await this.#pty.drained()
  }

  #payload(number: number): string {
    const { heavy } = this.#setup
    return number === heavy?.atRecord
      ? heavyPayload(this.#seed, this.source, number, heavy.bytes)
      : payloadOf(this.#seed, this.source, number)
  }

  async close(): Promise<void> {
    this.#ledger.close()
    await this.#pty.close()
  }
}

const devices: LedgerDevice[] = []

async function answer(request: DeviceRequest): Promise<DeviceReply> {
  switch (request.call) {
    case 'open':
      for (const setup of request.devices) devices.push(await LedgerDevice.open(request.seed, setup))
      break
    case 'go':
      for (const device of devices) device.go()
      break
    case 'rest':
      await Promise.all(devices.map(device => device.rest()))
      break
    case 'finish':
      await Promise.all(devices.map(device => device.rest()))
      await Promise.all(devices.map(device => device.close()))
  }
  return { done: Object.fromEntries(devices.map(({ source, given }) => [source, given])) }
}

process.on('message', (request: DeviceRequest) => {
  answer(request)
    .catch((error: unknown): DeviceReply => ({ failed: String(error) }))
    .then(reply => process.send?.(reply))
})
// Nobody would take their records any more.
process.on('disconnect', () => process.exit(0))
