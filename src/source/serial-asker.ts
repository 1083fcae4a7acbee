import { pause } from '../runtime/clock.ts'
import { escapedBytes } from './framing/options.ts'
import type { SerialHandle } from './serial-machine.ts'
import type { SerialOptions } from './serial-options.ts'
import type { SourceContext } from './source.ts'

/** How often it is looked whether the answer has come, ms. */
const ANSWER_LOOK_MS = 5

/**
 * Asks a device for its records: each request in turn, one at a time, then waits for the next round. A request is answered when a record came; a late
 * answer is thrown away before the next is sent, so that it is not taken for that one's.
 */
export class SerialAsker {
  readonly #ask: NonNullable<SerialOptions['ask']>
  readonly #rs485: SerialOptions['rs485']
  readonly #lines: { readonly dtr?: boolean; readonly rts?: boolean }
  readonly #context: SourceContext
  readonly #requests: readonly Buffer[]

  constructor(ask: NonNullable<SerialOptions['ask']>, options: SerialOptions, context: SourceContext) {
    this.#ask = ask
    this.#rs485 = options.rs485
    this.#lines = linesOf(options)
    this.#context = context
    this.#requests = ask.requests.map(escapedBytes)
  }

  /** Asks until `signal` is aborted or the port fails; `ready` resolves while there is room for an answer. */
  async run(port: SerialHandle, ready: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const { clock } = this.#context
    let dueMs = clock.monotonicMs()
    while (!signal.aborted) {
      for (const request of this.#requests) {
        await ready()
        if (signal.aborted) return
        this.#context.turn(this.#ask.timeout + (this.#rs485 ? this.#rs485.before + this.#rs485.after : 0))
        await this.#askOnce(port, request, signal)
      }
      // Rounds keep their raster; one that took too long leaves out what it missed.
      dueMs = Math.max(dueMs + this.#ask.every, clock.monotonicMs())
      this.#context.turn(dueMs - clock.monotonicMs())
      await pause(clock, dueMs - clock.monotonicMs(), signal)
    }
  }

  async #askOnce(port: SerialHandle, request: Buffer, signal: AbortSignal): Promise<void> {
    const { clock } = this.#context
    const before = this.#context.recordsRead()
    await this.#send(port, request, signal)
    const untilMs = clock.monotonicMs() + this.#ask.timeout
    while (this.#context.recordsRead() === before) {
      if (clock.monotonicMs() >= untilMs) {
        this.#context.trouble('no answer')
        this.#context.state('waiting', 'the device does not answer')
        this.#context.interrupted()
        await port.flush()
        return
      }
      await pause(clock, ANSWER_LOOK_MS, signal)
    }
    this.#context.state('reading')
  }

  async #send(port: SerialHandle, request: Buffer, signal: AbortSignal): Promise<void> {
    const { clock } = this.#context
    if (!this.#rs485) {
      await port.write(request)
      return
    }
    const { before, after, send_while: sendWhile } = this.#rs485
    const isOn = sendWhile === 'rts_on'
    await port.set({ ...this.#lines, rts: isOn })
    try {
      if (before > 0) await pause(clock, before, signal)
      await port.write(request)
      await port.drain()
      if (after > 0) await pause(clock, after, signal)
    } finally {
      await port.set({ ...this.#lines, rts: !isOn })
    }
  }
}

/** The control lines as they are while nothing is sent. */
export function linesOf({ dtr, rts, rs485 }: SerialOptions): { readonly dtr?: boolean; readonly rts?: boolean } {
  const receiving = rs485 && rs485.send_while === 'rts_off'
  const asked = rs485 ? receiving : rts === undefined ? undefined : rts === 'on'
  return { ...(dtr !== undefined && { dtr: dtr === 'on' }), ...(asked !== undefined && { rts: asked }) }
}
