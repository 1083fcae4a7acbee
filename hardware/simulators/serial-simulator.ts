import type { DeviceAnswer, DeviceModel } from './device-model.ts'
import { atWrongSpeed, isAtSpeed } from './line-speed.ts'
import { MessageOrder } from './message-order.ts'
import { Mischief, type MischiefOptions } from './mischief.ts'
import { AWAY_MS } from './opened.ts'
import { Pty } from './pty.ts'
import type { MischievousSimulator } from './simulator.ts'

/** Bytes of a request that does not end. */
const REQUEST_BYTES_MAX = 4_096

/**
 * A device on a pseudo terminal at `link`. Where it starts anew, the terminal is closed and another one opened: to whoever reads it, its plug was pulled
 * and put in again.
 */
export async function startSerialSimulator(
  model: DeviceModel,
  options: { link: string; perSecond: number; mischief: MischiefOptions },
): Promise<MischievousSimulator> {
  const simulator = new SerialSimulator(model, options)
  await simulator.start()
  return simulator
}

class SerialSimulator implements MischievousSimulator {
  readonly path: string
  readonly #model: DeviceModel
  readonly #perSecond: number
  readonly #mischief: Mischief
  readonly #startedMs = performance.now()
  #pty: Pty | undefined
  #timer: NodeJS.Timeout | undefined
  #held = Buffer.alloc(0)
  #stopped = false
  readonly #order = new MessageOrder()
  /** The opening, or the starting anew, that is under way. */
  #opening: Promise<void> | undefined

  constructor(model: DeviceModel, { link, perSecond, mischief }: { link: string; perSecond: number; mischief: MischiefOptions }) {
    this.path = link
    this.#model = model
    this.#perSecond = perSecond
    this.#mischief = new Mischief(mischief)
  }

  get misdeeds() {
    return this.#mischief.done
  }

  start(): Promise<void> {
    this.#opening = this.#open()
    return this.#opening
  }

  async #open(): Promise<void> {
    this.#held = Buffer.alloc(0)
    const pty = await Pty.open(this.path)
    this.#pty = pty
    pty.onBytes(bytes => this.#take(bytes))
    if (this.#model.say) this.#timer = setInterval(() => this.#say(), 1_000 / this.#perSecond)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#opening
    clearInterval(this.#timer)
    await this.#pty?.close()
  }

  #say(): void {
    for (const message of this.#model.say?.((performance.now() - this.#startedMs) / 1_000) ?? []) this.#send(message)
  }

  #take(bytes: Buffer): void {
    const { baud } = this.#model
    const heard = baud === undefined || !this.#pty || isAtSpeed(this.#pty.path, baud) ? bytes : atWrongSpeed(bytes)
    this.#held = Buffer.concat([this.#held, heard])
    for (;;) {
      const answered = this.#model.answer?.(this.#held)
      if (!answered) break
      this.#held = this.#held.subarray(answered.taken)
      if (answered.reply) this.#send(answered.reply, answered)
    }
    if (this.#held.length > REQUEST_BYTES_MAX) this.#held = Buffer.alloc(0)
  }

  #send(message: Buffer, { afterMs = 0, baud }: Pick<DeviceAnswer, 'afterMs' | 'baud'> = {}): void {
    const pty = this.#pty
    if (!pty) return
    const { bytes, delayMs, restarts } = this.#mischief.spoil(message)
    this.#order.add(afterMs + delayMs, () => {
      if (pty !== this.#pty) return
      pty.write(baud === undefined || isAtSpeed(pty.path, baud) ? bytes : atWrongSpeed(bytes))
      if (restarts && !this.#stopped) this.#opening = this.#restart(pty)
    })
  }

  async #restart(pty: Pty): Promise<void> {
    this.#pty = undefined
    clearInterval(this.#timer)
    await pty.close()
    await new Promise(resolve => setTimeout(resolve, AWAY_MS))
    if (!this.#stopped) await this.#open()
  }
}
