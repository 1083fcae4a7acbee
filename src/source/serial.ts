import { SerialPort } from 'serialport'
import { z } from 'zod'
import { Backoff } from '../runtime/backoff.ts'
import { pause } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import { duration } from '../runtime/units.ts'
import { readPort } from './serial-read.ts'
import { defineSource, type Source, type SourceContext } from './source.ts'

/** Bytes that one read may bring: what a port holds when it is read some milliseconds later. */
const READ_BYTES = 64 * 1024
const OPEN_AGAIN_AFTER = { firstMs: 250, maxMs: 10_000 }

export const serialOptions = z.strictObject({
  path: z.string().min(1).describe('Device file. /dev/serial/by-id/… survives replugging.'),
  baud: z.int().min(50).max(4_000_000).default(9_600).describe('Line speed, bit/s.'),
  data_bits: z
    .union([z.literal(5), z.literal(6), z.literal(7), z.literal(8)])
    .default(8)
    .describe('Data bits of a character.'),
  parity: z.enum(['none', 'even', 'odd']).default('none').describe('Parity bit.'),
  stop_bits: z
    .union([z.literal(1), z.literal(1.5), z.literal(2)])
    .default(1)
    .describe('Stop bits.'),
  flow: z.enum(['none', 'hardware', 'software']).default('none').describe('Flow control: RTS/CTS or XON/XOFF.'),
  gather: duration({ max: '1s' })
    .default(5)
    .describe(
      'How long what comes is gathered before it is read again. Each read costs more than each line; a record may wait that long.',
    ),
})
export type SerialOptions = z.output<typeof serialOptions>

type Port = Awaited<ReturnType<typeof SerialPort.binding.open>>

/**
 * Reads a port through the system's driver, without a stream between: one buffer, read again and again.
 *
 *   WAITING ──opened──► READING ──gone, or a read failed──► WAITING (backoff) … ──stop──► STOPPED
 *
 * A port that was gone is opened anew, never taken up again: an old handle reads nothing for ever.
 */
class SerialSource implements Source {
  readonly #options: SerialOptions
  readonly #context: SourceContext
  readonly #stopping = new AbortController()
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES)
  #port: Port | undefined
  #loop: Promise<void> | undefined
  #paused: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined

  constructor(options: SerialOptions, context: SourceContext) {
    this.#options = options
    this.#context = context
  }

  async start(): Promise<void> {
    this.#loop = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('stopping'))
    this.resume()
    await this.#close()
    await this.#loop
  }

  pause(): void {
    this.#paused ??= Promise.withResolvers<void>()
  }

  resume(): void {
    this.#paused?.resolve()
    this.#paused = undefined
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#context
    const { signal } = this.#stopping
    const backoff = new Backoff(OPEN_AGAIN_AFTER, random)
    while (!signal.aborted) {
      try {
        const { path, baud, data_bits, parity, stop_bits, flow } = this.#options
        this.#port = await SerialPort.binding.open({
          path,
          baudRate: baud,
          dataBits: data_bits,
          parity,
          stopBits: stop_bits,
          rtscts: flow === 'hardware',
          xon: flow === 'software',
          xoff: flow === 'software',
          lock: true,
        })
        this.#context.state('reading')
        await this.#read(this.#port, backoff)
      } catch (error) {
        if (signal.aborted) break
        this.#context.state('waiting', messageOf(error))
      }
      await this.#close()
      this.#context.interrupted()
      await pause(clock, backoff.nextMs(), signal).catch(() => {})
    }
  }

  async #read(port: Port, backoff: Backoff): Promise<void> {
    const { clock } = this.#context
    const { signal } = this.#stopping
    while (!signal.aborted) {
      const bytesRead = await readPort(port, this.#buffer)
      if (signal.aborted) return
      backoff.reset()
      this.#context.bytes(this.#buffer.subarray(0, bytesRead), clock.wallMs())
      if (this.#paused) await this.#paused.promise
      if (this.#options.gather > 0) await pause(clock, this.#options.gather, signal)
    }
  }

  async #close(): Promise<void> {
    const port = this.#port
    this.#port = undefined
    // A port that is gone cannot be closed properly; its handle is given back all the same.
    await port?.close().catch(() => {})
  }
}

/** Serial ports through the system's driver: RS-232, RS-485, USB adapters. */
export const serial = defineSource({
  kind: 'serial',
  summary: 'Reads a serial port.',
  options: serialOptions,
  gives: 'stream',
  whenFull: 'drop_oldest',
  resource: options => ({ name: options.path, shared: undefined }),
  open: (options, context) => new SerialSource(options, context),
})
