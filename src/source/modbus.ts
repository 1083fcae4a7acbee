import { z } from 'zod'
import { pause, settledWithin } from '../runtime/clock.ts'
import { HeadraceError, messageOf } from '../runtime/errors.ts'
import { duration } from '../runtime/units.ts'
import { ModbusBus } from './modbus-bus.ts'
import { lineOf, rtuName, rtuOptions } from './modbus-line.ts'
import { fieldsOf, joinReads, loadProfile, type RegisterValue, readRegister, type Span } from './modbus-profile.ts'
import { parseAddress } from './socket-address.ts'
import { defineSource, pathsWithin, type Source, type SourceContext } from './source.ts'

/** How long a stop waits for an answer that is on its way, ms. */
const END_LIMIT_MS = 1_000
/** A device that does not answer is asked less often, down to this part of its rate, so that the others on its bus get their turn. */
const SLOW_DOWN_MAX = 16

/** What a profile's own file ends in; a name without it is one of hardware/devices/. */
const PROFILE_FILE = '.yaml'

function whatIsWrongWith(device: string): string | undefined {
  try {
    loadProfile(device)
    return undefined
  } catch (error) {
    if (!(error instanceof HeadraceError)) throw error
    return `${error.message}${error.message.endsWith('?') ? '' : '.'} ${error.advice ?? ''}`
  }
}

/** The port may be left out. */
const address = z
  .string()
  .refine(
    text => parseAddress(text) !== undefined || /^[^\s:[\]]+$/.test(text),
    'is not an address: write host:port, such as 10.0.0.7:502',
  )

export const modbusOptions = z
  .strictObject({
    tcp: address.optional().describe('Address of a Modbus TCP device or gateway, host:port.'),
    rtu: rtuOptions.optional().describe('A serial line with Modbus RTU.'),
    rtu_over_tcp: address.optional().describe('Address of a serial server that passes on Modbus RTU as it is, host:port.'),
    unit: z.int().min(0).max(255).default(1).describe('Which device on the line.'),
    device: z.string().min(1).describe('Its register map: a profile in hardware/devices/, or the path of a .yaml file.'),
    every: duration({ min: '10ms', max: '1d' }).default(1_000).describe('How often it is read.'),
    timeout: duration({ min: '10ms', max: '60s' }).default(1_000).describe('How long it may take to answer.'),
  })
  .refine(
    ({ tcp, rtu, rtu_over_tcp }) => [tcp, rtu, rtu_over_tcp].filter(each => each !== undefined).length === 1,
    'needs exactly one of `tcp`, `rtu` and `rtu_over_tcp`',
  )
export type ModbusOptions = z.output<typeof modbusOptions>

/** Asks one device for its registers, again and again; each round is one record. */
class ModbusSource implements Source {
  readonly #options: ModbusOptions
  readonly #context: SourceContext
  readonly #spans: readonly Span[]
  readonly #stopping = new AbortController()
  readonly #bus: { readonly part: ModbusBus; release(): void }
  #loop: Promise<void> | undefined
  #paused: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined

  constructor(options: ModbusOptions, context: SourceContext) {
    this.#options = options
    this.#context = context
    this.#spans = joinReads(loadProfile(options.device))
    const line = lineOf(options, context.clock)
    this.#bus = context.shared.use(`modbus ${line.name}`, () => new ModbusBus(line, context.clock, context.random))
  }

  async start(): Promise<void> {
    this.#loop = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('stopping'))
    this.resume()
    this.#bus.release()
    // A unit that does not answer is not waited for; what comes late is not handed on any more.
    await settledWithin(this.#context.clock, END_LIMIT_MS, this.#loop ?? Promise.resolve())
  }

  pause(): void {
    this.#paused ??= Promise.withResolvers<void>()
  }

  resume(): void {
    this.#paused?.resolve()
    this.#paused = undefined
  }

  async #run(): Promise<void> {
    const { clock } = this.#context
    const { signal } = this.#stopping
    const { every } = this.#options
    let slower = 1
    let dueMs = clock.monotonicMs()
    while (!signal.aborted) {
      if (this.#paused) await this.#paused.promise
      // Only a unit that does not answer takes the others' time; a line that is away is the bus's own to wait for.
      slower = (await this.#round()) === 'silent' ? Math.min(SLOW_DOWN_MAX, slower * 2) : 1
      // Rounds keep their raster; one that took too long leaves out what it missed.
      dueMs = Math.max(dueMs + every * slower, clock.monotonicMs())
      this.#context.turn(dueMs - clock.monotonicMs())
      await pause(clock, dueMs - clock.monotonicMs(), signal).catch(() => {})
    }
  }

  async #round(): Promise<'over' | 'silent'> {
    const { unit, timeout } = this.#options
    const timeMs = Math.floor(this.#context.clock.wallMs())
    const values: Record<string, RegisterValue> = {}
    try {
      for (const span of this.#spans) {
        const { function: code, address, length } = span
        this.#context.turn(this.#bus.part.patienceMs(timeout))
        const bytes = await this.#bus.part.read({ unit, function: code, address, length, timeoutMs: timeout })
        for (const register of span.registers) Object.assign(values, Object.fromEntries(readRegister(register, span, bytes)))
      }
    } catch (error) {
      if (this.#stopping.signal.aborted) return 'over'
      const isSilent = error instanceof HeadraceError && error.code === 'timeout'
      this.#context.trouble(isSilent ? 'no answer' : 'a read failed')
      this.#context.state('waiting', messageOf(error))
      return isSilent ? 'silent' : 'over'
    }
    if (this.#stopping.signal.aborted) return 'over'
    this.#context.state('reading')
    this.#context.message(Buffer.from(JSON.stringify(values)), timeMs)
    return 'over'
  }
}

/** Devices that speak Modbus, over TCP or a serial line. */
export const modbus = defineSource({
  kind: 'modbus',
  summary: 'Reads the registers and coils of a Modbus device at intervals, by its device profile.',
  notes:
    "Lines are tested on pseudo terminals, USB names on trees of files, RS-485 switching on the serial library's mock binding. A unit that does not answer is asked less often, down to a sixteenth, so that the others on its line get their turn.",
  options: modbusOptions,
  gives: 'messages',
  whenFull: 'block',
  resource: options => {
    if (!options.rtu) return undefined
    const { path: _path, usb: _usb, ...settings } = options.rtu
    return { name: rtuName(options.rtu), shared: `modbus ${JSON.stringify(settings)}` }
  },
  fields: ({ device }) => fieldsOf(loadProfile(device)),
  within: ({ rtu, ...options }, folder) => ({
    ...(options.device.endsWith(PROFILE_FILE) ? pathsWithin(options, folder, 'device') : options),
    ...(rtu && { rtu: pathsWithin(rtu, folder, 'path') }),
  }),
  problems: ({ device }) => {
    const message = whatIsWrongWith(device)
    return message === undefined ? [] : [{ at: ['device'], message }]
  },
  rate: ({ every }) => 1_000 / every,
  open: (options, context) => new ModbusSource(options, context),
})
