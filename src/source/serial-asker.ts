import { pause } from '../runtime/clock.ts'
import { escapedBytes } from './framing/options.ts'
import { ACKNOWLEDGEMENT_BYTES, agreedWith, callOf, IDENTIFICATION_BYTES_MAX, REACTION_MS } from './meter-call.ts'
import { EchoFilter } from './serial-echo.ts'
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
  readonly #options: SerialOptions
  readonly #lines: { readonly dtr?: boolean; readonly rts?: boolean }
  readonly #context: SourceContext
  readonly #requests: readonly Buffer[]
  readonly #echo: EchoFilter | undefined
  /** What a meter that was called has said; undefined while none is. */
  #heard: Buffer | undefined

  constructor(ask: NonNullable<SerialOptions['ask']>, options: SerialOptions, context: SourceContext) {
    this.#ask = ask
    this.#options = options
    this.#lines = linesOf(options)
    this.#context = context
    this.#requests = ask.iec62056 ? [callOf(ask.iec62056.address)] : (ask.requests ?? []).map(escapedBytes)
    this.#echo = ask.echo ? new EchoFilter(what => context.trouble(what)) : undefined
  }

  /** Takes what was read before it is handed on, and gives what of it the device has said. */
  hear(bytes: Buffer): Buffer {
    const said = this.#echo?.take(bytes) ?? bytes
    if (this.#heard) this.#heard = Buffer.concat([this.#heard, said]).subarray(0, IDENTIFICATION_BYTES_MAX)
    return said
  }

  /** Asks until `signal` is aborted or the port fails; `ready` resolves while there is room for an answer. */
  async run(port: SerialHandle, ready: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const { clock } = this.#context
    let dueMs = clock.monotonicMs()
    while (!signal.aborted) {
      for (const request of this.#requests) {
        await ready()
        if (signal.aborted) return
        this.#context.turn(this.#askedMs)
        await this.#askOnce(port, request, signal)
      }
      // Rounds keep their raster; one that took too long leaves out what it missed.
      dueMs = Math.max(dueMs + this.#ask.every, clock.monotonicMs())
      this.#context.turn(dueMs - clock.monotonicMs())
      await pause(clock, dueMs - clock.monotonicMs(), signal)
    }
  }

  /** How long one request may take with all that belongs to it, ms; a meter that is called is spoken to twice. */
  get #askedMs(): number {
    const { rs485 } = this.#options
    const sendMs = rs485 ? rs485.before + rs485.after : 0
    if (this.#ask.iec62056 === undefined) return this.#ask.timeout + sendMs
    return this.#ask.timeout + 2 * sendMs + REACTION_MS + this.#transmissionMs(ACKNOWLEDGEMENT_BYTES)
  }

  async #askOnce(port: SerialHandle, request: Buffer, signal: AbortSignal): Promise<void> {
    const { clock, recordsRead } = this.#context
    const before = recordsRead()
    const untilMs = clock.monotonicMs() + this.#ask.timeout
    const isChanged = this.#ask.iec62056 !== undefined && (await this.#call(port, request, untilMs, signal))
    if (this.#ask.iec62056 === undefined) await this.#send(port, request, signal)
    const isThere = await this.#waited(() => recordsRead() > before, untilMs, signal)
    // The next call is at the first speed again.
    if (isChanged) await port.update({ baudRate: this.#options.baud })
    if (isThere) {
      this.#context.state('reading')
      return
    }
    this.#context.trouble('no answer')
    this.#context.state('waiting', 'the device does not answer')
    this.#context.interrupted()
    this.#echo?.forget()
    await port.flush()
  }

  /** Calls a meter, up to where it begins to say its data. Gives whether the line has another speed now. */
  async #call(port: SerialHandle, request: Buffer, untilMs: number, signal: AbortSignal): Promise<boolean> {
    const { clock } = this.#context
    const { baud: first, ask } = this.#options
    this.#heard = Buffer.alloc(0)
    await this.#send(port, request, signal)
    const agreed = () => agreedWith(this.#heard ?? Buffer.alloc(0), ask?.iec62056?.baud_max ?? first)
    await this.#waited(() => agreed() !== undefined, untilMs, signal)
    const { acknowledgement, baud } = agreed() ?? {}
    this.#heard = undefined
    if (acknowledgement) {
      await pause(clock, REACTION_MS, signal)
      const sentMs = clock.monotonicMs()
      await this.#send(port, acknowledgement, signal)
      await port.drain()
      // What an adapter holds has not left when the driver says so, and a change of the speed would throw it away.
      await pause(clock, sentMs + this.#transmissionMs(acknowledgement.length) - clock.monotonicMs(), signal)
    }
    if (baud === undefined || baud === first) return false
    await port.update({ baudRate: baud })
    return true
  }

  /** How long so many bytes are on the line. */
  #transmissionMs(bytes: number): number {
    const { baud, data_bits, parity, stop_bits } = this.#options
    return (1_000 * bytes * (1 + data_bits + (parity === 'none' ? 0 : 1) + stop_bits)) / baud
  }

  /** Resolves as soon as `isSo`, or with false when the time is over. */
  async #waited(isSo: () => boolean, untilMs: number, signal: AbortSignal): Promise<boolean> {
    const { clock } = this.#context
    while (!isSo()) {
      if (clock.monotonicMs() >= untilMs) return false
      await pause(clock, ANSWER_LOOK_MS, signal)
    }
    return true
  }

  async #send(port: SerialHandle, request: Buffer, signal: AbortSignal): Promise<void> {
    const { clock } = this.#context
    const { rs485 } = this.#options
    this.#echo?.expect(request)
    if (!rs485) {
      await port.write(request)
      return
    }
    const { before, after, send_while: sendWhile } = rs485
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
