import { Backoff } from '../runtime/backoff.ts'
import { pause } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import { systemPoll } from '../runtime/system-poll.ts'
import { PortSweep, SPEAKS_WITHIN } from './port-sweep.ts'
import { linesOf, SerialAsker } from './serial-asker.ts'
import { type LineErrors, lineErrors } from './serial-line-errors.ts'
import { type SerialHandle, type SerialMachine, thisMachine } from './serial-machine.ts'
import { gatherMs, type SerialOptions, serialOptions } from './serial-options.ts'
import { descriptorOf, readPort, readWhatIsThere } from './serial-read.ts'
import { findUsbPort, usbText } from './serial-usb.ts'
import { defineSource, pathsWithin, type Source, type SourceContext } from './source.ts'

/** Bytes that one read may bring: what a port holds when it is read some milliseconds later. */
const READ_BYTES = 64 * 1024
/**
 * Half of what Linux's line discipline holds for a reader (N_TTY_BUF_SIZE, 4,096). A read that brings as much may have left some with the driver: to gather
 * then would make what is behind it later by one pause for every 4,096 bytes, and where the device says more than that in a pause, later and later.
 */
const MUCH_BYTES = 2_048
const OPEN_AGAIN_AFTER = { firstMs: 250, maxMs: 10_000 }
/** How often a port that is not there is looked for, ms: to look costs nothing, and a person waits for it. */
const LOOK_FOR_PORT_MS = 500
/** How often the driver is asked for its counters, ms. */
const LINE_ERRORS_EVERY_MS = 10_000

/**
 * Reads a port through the system's driver, without a stream between: one buffer, read again and again.
 *
 *   WAITING ──opened──► READING ──gone, or a read failed──► WAITING (until it is there, or backoff) … ──stop──► STOPPED
 *
 * A port that was gone is opened anew, never taken up again: an old handle reads nothing for ever.
 */
export class SerialSource implements Source {
  readonly #options: SerialOptions
  readonly #context: SourceContext
  readonly #machine: SerialMachine
  readonly #stopping = new AbortController()
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES)
  readonly #asker: SerialAsker | undefined
  #port: SerialHandle | undefined
  #loop: Promise<void> | undefined
  #paused: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined
  #errors: LineErrors | undefined
  #errorsReadMs = 0
  #readMs = Number.NEGATIVE_INFINITY
  #sweep: { readonly part: PortSweep; release(): void } | undefined

  constructor(options: SerialOptions, context: SourceContext, machine: SerialMachine) {
    this.#options = options
    this.#context = context
    this.#machine = machine
    this.#asker = options.ask && new SerialAsker(options.ask, options, context)
  }

  async start(): Promise<void> {
    this.#loop = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('stopping'))
    this.resume()
    await this.#close()
    await this.#loop
    this.#sweep?.release()
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
      let againMs = LOOK_FOR_PORT_MS
      try {
        const path = this.#find()
        if (path !== undefined) {
          againMs = backoff.nextMs()
          // To open a port is the driver's work: it has to come back from it.
          this.#context.turn(0)
          await this.#open(path)
          this.#context.turn()
          await this.#converse(path, backoff)
        }
      } catch (error) {
        if (signal.aborted) break
        this.#context.state('waiting', messageOf(error))
      }
      this.#context.turn(againMs)
      await this.#close()
      this.#context.interrupted()
      await pause(clock, againMs, signal).catch(() => {})
    }
  }

  /** The path of the port, or undefined, said, where it is not there. */
  #find(): string | undefined {
    const { path, usb } = this.#options
    const found = usb ? findUsbPort(usb, this.#machine.sysRoot) : path
    const isThere = found !== undefined && this.#machine.isThere(found)
    if (isThere) return found
    this.#context.state('waiting', `${usb ? usbText(usb) : path} is not there`)
    return undefined
  }

  async #open(path: string): Promise<void> {
    const { baud, data_bits, parity, stop_bits, flow, hang_up } = this.#options
    this.#port = await this.#machine.open({
      path,
      baudRate: baud,
      dataBits: data_bits,
      parity,
      stopBits: stop_bits,
      rtscts: flow === 'hardware',
      xon: flow === 'software',
      xoff: flow === 'software',
      hupcl: hang_up,
      lock: true,
    })
    const lines = linesOf(this.#options)
    if (Object.keys(lines).length > 0) await this.#port.set(lines)
    this.#errors = lineErrors(path, this.#machine.procRoot)
    this.#errorsReadMs = this.#context.clock.monotonicMs()
    this.#context.state('reading')
    await this.#useSweep()
  }

  /** The ports of this process are looked at together, where the system can be asked so. */
  async #useSweep(): Promise<void> {
    if (this.#sweep || this.#asker) return
    const poll = await systemPoll()
    const { shared, clock } = this.#context
    if (poll) this.#sweep = shared.use('ports that speak all the time', () => new PortSweep(poll, clock))
  }

  /** Reads, and asks where the device has to be asked, until one of both fails; neither goes on without the other. */
  async #converse(path: string, backoff: Backoff): Promise<void> {
    const port = this.#port
    if (!port) return
    const reading = this.#read(port, path, backoff)
    if (!this.#asker) return reading
    const over = new AbortController()
    const signal = AbortSignal.any([over.signal, this.#stopping.signal])
    let failed: unknown
    const asking = this.#asker
      .run(port, async () => this.#paused?.promise, signal)
      .catch(error => {
        if (!signal.aborted) failed = error
      })
      .finally(() => this.#close())
    try {
      await reading
    } catch (error) {
      // A read that ends because the port was closed here says less than why it was.
      throw failed ?? error
    } finally {
      over.abort(new Error('the port is closed'))
      await asking
    }
  }

  async #read(port: SerialHandle, path: string, backoff: Backoff): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      const bytesRead = await readPort(port, this.#buffer)
      if (signal.aborted) return
      const gather = this.#take(bytesRead, path, backoff)
      if (this.#paused) await this.#paused.promise
      if (gather > 0) await this.#leaveAlone(port, gather, fd => this.#readWhatIsThere(port, fd, path, backoff))
      if (this.#paused) await this.#paused.promise
    }
  }

  /** What was read. Gives for how long the port is to be left alone then, ms. */
  #take(bytesRead: number, path: string, backoff: Backoff): number {
    const { clock } = this.#context
    backoff.reset()
    const read = this.#buffer.subarray(0, bytesRead)
    const said = this.#asker?.hear(read) ?? read
    if (said.length > 0) this.#context.bytes(said, clock.wallMs())
    this.#countErrors(path)
    return bytesRead < MUCH_BYTES ? gatherMs(this.#options, this.#context) : 0
  }

  /** Leaves the port alone for a while; one that speaks all the time is read with the others that do, for as long as it does. */
  async #leaveAlone(port: SerialHandle, gather: number, read: (fd: number) => number | undefined): Promise<void> {
    const { clock } = this.#context
    const { signal } = this.#stopping
    const nowMs = clock.monotonicMs()
    // One that speaks seldom is not looked at again and again: it wakes this process when it does.
    const speaks = nowMs - this.#readMs <= SPEAKS_WITHIN * gather
    this.#readMs = nowMs
    const fd = speaks && this.#sweep ? descriptorOf(port) : undefined
    if (fd === undefined || !this.#sweep) return pause(clock, gather, signal)
    return this.#sweep.part.follow(fd, gather, signal, () => read(fd))
  }

  /** What a port has that is read with others. Undefined where it is to be waited for by itself. */
  #readWhatIsThere(port: SerialHandle, fd: number, path: string, backoff: Backoff): number | undefined {
    if (port !== this.#port) return undefined
    const bytesRead = readWhatIsThere(fd, this.#buffer)
    if (bytesRead === undefined) return undefined
    this.#readMs = this.#context.clock.monotonicMs()
    const gather = this.#take(bytesRead, path, backoff)
    return gather > 0 && !this.#paused ? gather : undefined
  }

  #countErrors(path: string): void {
    const nowMs = this.#context.clock.monotonicMs()
    if (!this.#errors || nowMs - this.#errorsReadMs < LINE_ERRORS_EVERY_MS) return
    this.#errorsReadMs = nowMs
    const before = this.#errors
    const now = lineErrors(path, this.#machine.procRoot)
    if (!now) return
    this.#errors = now
    for (const name of Object.keys(now) as (keyof LineErrors)[]) {
      if (now[name] > before[name]) this.#context.trouble(name, now[name] - before[name])
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
  notes:
    "RTS, DTR and RS-485 switching are tested on the serial library's mock binding, USB names and the driver's counters on trees of files; lines and replugging on pseudo terminals. Overruns, framing and parity errors are counted where the kernel's driver shows them in /proc/tty/driver (built-in UARTs, read as root); USB adapters show none.",
  options: serialOptions,
  gives: 'stream',
  whenFull: 'drop_oldest',
  resource: options => ({ name: options.usb ? usbText(options.usb) : (options.path ?? ''), shared: undefined }),
  within: (options, folder) => pathsWithin(options, folder, 'path'),
  open: (options, context) => new SerialSource(options, context, thisMachine),
})
