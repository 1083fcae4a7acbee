import type modbusSerial from 'modbus-serial'
import { Backoff } from '../runtime/backoff.ts'
import type { Clock } from '../runtime/clock.ts'
import { HeadraceError, messageOf } from '../runtime/errors.ts'
import { isBits, type ModbusFunction } from './modbus-profile.ts'

/** Requests that wait for their turn; one for each source is usual. */
const REQUESTS_WAITING_MAX = 256
const CONNECT_AGAIN_AFTER = { firstMs: 250, maxMs: 15_000 }
const CONNECT_LIMIT_MS = 5_000
/** So many requests in a row without an answer, and the connection is made anew: a stream that has lost its step gives none any more. */
const UNANSWERED_MAX = 3

const BITS_IN_BYTE = 8

export type ModbusClient = InstanceType<typeof modbusSerial.default>

export interface BusLine {
  /** Its name among the process's buses: host and port, or the path of the port. */
  readonly name: string
  /** Whether answers carry the number of their request, as over TCP. */
  readonly numbered: boolean
  connect(client: ModbusClient): Promise<void>
  /** A port that is not plugged in now: to look costs nothing, and a person waits for it. */
  isAbsent(): boolean
}

export interface ReadRequest {
  readonly unit: number
  readonly function: ModbusFunction
  readonly address: number
  /** Registers, or bits of coils and discrete inputs. */
  readonly length: number
  readonly timeoutMs: number
}

/** A bus: one line, one request at a time, in turn. Several at once time out all together. */
export class ModbusBus {
  readonly #line: BusLine
  readonly #clock: Clock
  readonly #backoff: Backoff
  #client: ModbusClient | undefined
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0
  #connectAfterMs = 0
  #why = 'not connected yet'
  #closed = false
  #unanswered = 0
  /** The longest that a request of any source was given. */
  #timeoutMaxMs = 0

  constructor(line: BusLine, clock: Clock, random: () => number) {
    this.#line = line
    this.#clock = clock
    this.#backoff = new Backoff(CONNECT_AGAIN_AFTER, random)
  }

  /** Reads registers; rejects with `source_failed` or `timeout`, and then the line is made anew. An exception of the device leaves it as it is. */
  read(request: ReadRequest): Promise<Buffer> {
    if (this.#waiting >= REQUESTS_WAITING_MAX)
      throw new HeadraceError('limit_exceeded', `${REQUESTS_WAITING_MAX} requests wait on ${this.#line.name}`)
    this.#waiting += 1
    const result = this.#last.then(() => this.#read(request))
    this.#last = result
      .catch(() => {})
      .finally(() => {
        this.#waiting -= 1
      })
    return result
  }

  /** How long a request that is made now may take until it is answered or given up, ms: those before it have their turn first. */
  patienceMs(timeoutMs: number): number {
    this.#timeoutMaxMs = Math.max(this.#timeoutMaxMs, timeoutMs)
    return (this.#waiting + 1) * (CONNECT_LIMIT_MS + this.#timeoutMaxMs)
  }

  close(): void {
    this.#closed = true
    this.#drop()
  }

  async #read(request: ReadRequest): Promise<Buffer> {
    const client = await this.#connected()
    client.setID(request.unit)
    client.setTimeout(request.timeoutMs)
    try {
      const { buffer } = await ask(client, request)
      this.#unanswered = 0
      if (buffer.length !== bytesOf(request))
        throw new Error(`${buffer.length} bytes came where ${bytesOf(request)} were asked for`)
      return buffer
    } catch (cause) {
      const exception = (cause as { modbusCode?: number }).modbusCode
      if (exception !== undefined)
        throw new HeadraceError('source_failed', `unit ${request.unit} answers exception ${exception}`, { cause })
      const timedOut = (cause as { errno?: string }).errno === 'ETIMEDOUT' || /timed? ?out/i.test(messageOf(cause))
      // An answer that comes late must not be taken for the next one's: over TCP it is told by its number; a line is opened anew, and empty then.
      this.#unanswered += 1
      if (!timedOut || !this.#line.numbered || this.#unanswered >= UNANSWERED_MAX) this.#drop()
      throw new HeadraceError(
        timedOut ? 'timeout' : 'source_failed',
        `unit ${request.unit} on ${this.#line.name}: ${messageOf(cause)}`,
        { cause },
      )
    }
  }

  async #connected(): Promise<ModbusClient> {
    // Loaded where a bus is read: it takes its time and memory.
    const { default: library } = await import('modbus-serial')
    if (this.#closed) throw new HeadraceError('interrupted', 'the bus is closed')
    if (this.#client?.isOpen) return this.#client
    if (this.#line.isAbsent()) {
      this.#drop()
      this.#backoff.reset()
      this.#connectAfterMs = 0
      throw new HeadraceError('source_failed', `${this.#line.name} is not there`)
    }
    if (this.#clock.monotonicMs() < this.#connectAfterMs)
      throw new HeadraceError('source_failed', `${this.#line.name}: ${this.#why}`)
    this.#drop()
    const client = new library.default()
    client.on('error', () => {})
    try {
      await withLimit(this.#line.connect(client), this.#clock)
      this.#client = client
      this.#backoff.reset()
      return client
    } catch (cause) {
      letGo(client)
      this.#why = messageOf(cause)
      this.#connectAfterMs = this.#clock.monotonicMs() + this.#backoff.nextMs()
      throw new HeadraceError('source_failed', `${this.#line.name}: ${this.#why}`, { cause })
    }
  }

  #drop(): void {
    const client = this.#client
    this.#client = undefined
    this.#unanswered = 0
    if (client) letGo(client)
  }
}

function letGo(client: ModbusClient): void {
  // Once it is closed the library does not listen any more, and a write that fails then would end the process.
  const { _port: port } = client as unknown as { _port?: NodeJS.EventEmitter & { destroy?(done: () => void): void } }
  port?.on('error', () => {})
  client.close(() => {})
  // It only ends its own side of a socket: a peer that does not end the other would keep it, and be listened to, for ever.
  port?.destroy?.(() => {})
}

function ask(client: ModbusClient, { function: code, address, length }: ReadRequest): Promise<{ readonly buffer: Buffer }> {
  switch (code) {
    case 'coil':
      return client.readCoils(address, length)
    case 'discrete':
      return client.readDiscreteInputs(address, length)
    case 'holding':
      return client.readHoldingRegisters(address, length)
    case 'input':
      return client.readInputRegisters(address, length)
  }
}

function bytesOf({ function: code, length }: ReadRequest): number {
  return isBits(code) ? Math.ceil(length / BITS_IN_BYTE) : length * 2
}

function withLimit(work: Promise<void>, clock: Clock): Promise<void> {
  return new Promise((resolve, reject) => {
    const limit = clock.after(CONNECT_LIMIT_MS, () => reject(new Error(`no connection after ${CONNECT_LIMIT_MS} ms`)))
    work.then(resolve, reject).finally(() => limit.cancel())
  })
}
