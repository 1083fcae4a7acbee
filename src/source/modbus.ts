import { z } from 'zod'
import { pause, settledWithin } from '../runtime/clock.ts'
import { HeadraceError, messageOf } from '../runtime/errors.ts'
import { duration } from '../runtime/units.ts'
import { type BusLine, ModbusBus } from './modbus-bus.ts'
import {
  fieldsOf,
  joinReads,
  loadProfile,
  type ModbusProfile,
  type RegisterValue,
  readRegister,
  type Span,
} from './modbus-profile.ts'
import { defineSource, pathsWithin, type Source, type SourceContext } from './source.ts'

const DEFAULT_PORT = 502
/** How long a stop waits for an answer that is on its way, ms. */
const END_LIMIT_MS = 1_000
/** A device that does not answer is asked less often, down to this part of its rate, so that the others on its bus get their turn. */
const SLOW_DOWN_MAX = 16

const rtuLine = z.strictObject({
  path: z.string().min(1).describe('Device file of the port.'),
  baud: z.int().min(50).max(4_000_000).default(9_600).describe('Line speed, bit/s.'),
  parity: z.enum(['none', 'even', 'odd']).default('none').describe('Parity bit.'),
  stop_bits: z
    .union([z.literal(1), z.literal(2)])
    .default(1)
    .describe('Stop bits.'),
})

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

const address = z.string().regex(/^[^\s:]+(:\d{1,5})?$/, 'is not an address: write host:port')

export const modbusOptions = z
  .strictObject({
    tcp: address.optional().describe('Address of a Modbus TCP device or gateway, host:port.'),
    rtu: rtuLine.optional().describe('A serial line with Modbus RTU.'),
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
  readonly #profile: ModbusProfile
  readonly #spans: readonly Span[]
  readonly #stopping = new AbortController()
  readonly #bus: { readonly part: ModbusBus; release(): void }
  #loop: Promise<void> | undefined
  #paused: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined

  constructor(options: ModbusOptions, context: SourceContext) {
    this.#options = options
    this.#context = context
    this.#profile = loadProfile(options.device)
    this.#spans = joinReads(this.#profile)
    const line = lineOf(options)
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
      slower = (await this.#round()) ? 1 : Math.min(SLOW_DOWN_MAX, slower * 2)
      // Rounds keep their raster; one that took too long leaves out what it missed.
      dueMs = Math.max(dueMs + every * slower, clock.monotonicMs())
      await pause(clock, dueMs - clock.monotonicMs(), signal).catch(() => {})
    }
  }

  async #round(): Promise<boolean> {
    const { unit, timeout } = this.#options
    const timeMs = Math.floor(this.#context.clock.wallMs())
    const values: Record<string, RegisterValue> = {}
    try {
      for (const span of this.#spans) {
        const { address, length } = span
        const bytes = await this.#bus.part.read({ unit, function: this.#profile.function, address, length, timeoutMs: timeout })
        for (const register of span.registers) Object.assign(values, Object.fromEntries(readRegister(register, span, bytes)))
      }
    } catch (error) {
      if (this.#stopping.signal.aborted) return true
      this.#context.trouble(error instanceof HeadraceError && error.code === 'timeout' ? 'no answer' : 'a read failed')
      this.#context.state('waiting', messageOf(error))
      return false
    }
    if (this.#stopping.signal.aborted) return true
    this.#context.state('reading')
    this.#context.message(Buffer.from(JSON.stringify(values)), timeMs)
    return true
  }
}

function lineOf({ tcp, rtu, rtu_over_tcp: overTcp }: ModbusOptions): BusLine {
  if (rtu) {
    const { path, baud, parity, stop_bits } = rtu
    const connect: BusLine['connect'] = client => client.connectRTUBuffered(path, { baudRate: baud, parity, stopBits: stop_bits })
    return { name: path, numbered: false, connect }
  }
  const [host = '', port] = (tcp ?? overTcp ?? '').split(':')
  const number = port === undefined ? DEFAULT_PORT : Number(port)
  if (overTcp !== undefined) {
    // What the library calls telnet is RTU, byte for byte; its "TcpRTUBuffered" puts the header of Modbus TCP before it.
    const connect: BusLine['connect'] = client => client.connectTelnet(host, { port: number })
    return { name: `${host}:${number}`, numbered: false, connect }
  }
  return { name: `${host}:${number}`, numbered: true, connect: client => client.connectTCP(host, { port: number }) }
}

/** Devices that speak Modbus, over TCP or a serial line. */
export const modbus = defineSource({
  kind: 'modbus',
  summary: 'Reads the registers of a Modbus device at intervals, by its device profile.',
  options: modbusOptions,
  gives: 'messages',
  whenFull: 'block',
  resource: options => {
    if (!options.rtu) return undefined
    const { path, ...settings } = options.rtu
    return { name: path, shared: `modbus ${JSON.stringify(settings)}` }
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
