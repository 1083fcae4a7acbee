import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import fc from 'fast-check'
import { SerialPortMock } from 'serialport'
import { systemClock } from '../../../src/runtime/clock.ts'
import { HeadraceError } from '../../../src/runtime/errors.ts'
import { crc16Modbus } from '../../../src/source/decode/binary.ts'
import { type BusLine, ModbusBus, type ReadRequest } from '../../../src/source/modbus-bus.ts'
import { lineOf } from '../../../src/source/modbus-line.ts'
import { cuts, inPieces, mutated } from '../harness/bytes.ts'
import { target } from '../harness/target.ts'

const UNIT = 1
const MOCK_PATH = '/dev/ttyMODBUS'
/** What honest answers carry in each register. */
const WORD = 0x0203
const MBAP_BYTES = 7
/** An answer that did not come is asked for again; a line that lost its step is made anew after three. */
const HONEST_TRIES_MAX = 12

/** Of each kind of request one, as large as an answer may be. */
const REQUESTS: readonly ReadRequest[] = [
  { unit: UNIT, function: 'holding', address: 0, length: 125, timeoutMs: 15 },
  { unit: UNIT, function: 'input', address: 9, length: 2, timeoutMs: 15 },
  { unit: UNIT, function: 'coil', address: 3, length: 17, timeoutMs: 15 },
  { unit: UNIT, function: 'discrete', address: 3, length: 8, timeoutMs: 15 },
]
const CODES = { coil: 1, discrete: 2, holding: 3, input: 4 } as const
const HONEST: ReadRequest = { unit: UNIT, function: 'input', address: 0, length: 2, timeoutMs: 100 }

/** Unit, function, and what follows: the answer to a request without what its line puts around it. */
function answerTo({ function: code, length }: ReadRequest): Buffer {
  const bytes = code === 'coil' || code === 'discrete' ? Math.ceil(length / 8) : length * 2
  const data = Buffer.alloc(bytes)
  for (let at = 0; at + 1 < bytes; at += 2) data.writeUInt16BE(WORD, at)
  return Buffer.concat([Buffer.from([UNIT, CODES[code], bytes]), data])
}

const EXCEPTIONS = [Buffer.from([UNIT, 0x83, 2]), Buffer.from([UNIT, 0x84, 0xff])]
const ANSWERS = [...REQUESTS.map(answerTo), ...EXCEPTIONS]

interface Hostile {
  /** What the answer is, as it goes over the line but for its number. */
  readonly bytes: Buffer
  /** What a line puts around it is made to fit. */
  readonly fits: boolean
  readonly lengths: readonly number[]
  readonly hangsUp: boolean
}

const hostile = (around: (pdu: Buffer) => Buffer): fc.Arbitrary<{ request: ReadRequest; answers: Hostile[] }> =>
  fc.record({
    request: fc.constantFrom(...REQUESTS),
    answers: fc.array(
      fc.record({
        bytes: fc.oneof(
          mutated(ANSWERS.map(around)),
          fc.uint8Array({ maxLength: 600, size: 'max' }).map(each => Buffer.from(each)),
        ),
        fits: fc.boolean(),
        lengths: cuts,
        hangsUp: fc.boolean(),
      }),
      { minLength: 1, maxLength: 3 },
    ),
  })

/** Modbus TCP: a number, zero, a length. */
function numbered(pdu: Buffer): Buffer {
  const header = Buffer.alloc(MBAP_BYTES - 1)
  header.writeUInt16BE(pdu.length, 4)
  return Buffer.concat([header, pdu])
}

function withCrc(pdu: Buffer): Buffer {
  const crc = Buffer.alloc(2)
  crc.writeUInt16LE(crc16Modbus(pdu))
  return Buffer.concat([pdu, crc])
}

const HONESTLY = { fits: false, lengths: [], hangsUp: false }

/** A device whose next answers are given; without any it is honest. */
class Device {
  readonly next: Hostile[] = []
  readonly #honest: (request: Buffer) => Buffer
  readonly #fit: (bytes: Buffer, request: Buffer) => Buffer

  constructor(honest: (request: Buffer) => Buffer, fit: (bytes: Buffer, request: Buffer) => Buffer) {
    this.#honest = honest
    this.#fit = fit
  }

  heard(request: Buffer, write: (bytes: Buffer) => void, hangUp: () => void): void {
    const answer = this.next.shift()
    const { bytes, fits, lengths, hangsUp } = answer ?? { ...HONESTLY, bytes: this.#honest(request) }
    for (const piece of inPieces(fits ? this.#fit(bytes, request) : bytes, lengths)) write(piece)
    if (hangsUp) hangUp()
  }
}

const tcpDevice = new Device(
  request => numberedAs(request, numbered(answerTo(HONEST))),
  (bytes, request) => numberedAs(request, bytes),
)
const rtuDevice = new Device(
  () => withCrc(answerTo(HONEST)),
  bytes => (bytes.length > 2 ? withCrc(bytes.subarray(0, -2)) : bytes),
)

function numberedAs(request: Buffer, answer: Buffer): Buffer {
  const copy = Buffer.from(answer)
  request.copy(copy, 0, 0, 2)
  return copy
}

let server: Server | undefined
let bus: ModbusBus | undefined

async function listen(device: Device): Promise<string> {
  server = createServer((socket: Socket) => {
    socket.setNoDelay()
    socket.on('error', () => {})
    socket.on('data', request =>
      device.heard(
        request,
        bytes => socket.write(bytes),
        () => socket.end(),
      ),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `127.0.0.1:${(server.address() as { port: number }).port}`
}

async function close(): Promise<void> {
  bus?.close()
  server?.close()
}

/** The serial library's own mock binding: the native one does not work in a thread. */
const mockLine: BusLine = {
  name: MOCK_PATH,
  numbered: false,
  isAbsent: () => false,
  connect: async client => {
    const options = { baudRate: 9_600, binding: SerialPortMock.binding }
    await client.connectRTUBuffered(MOCK_PATH, options)
    const { _port: port } = client as unknown as { _port: { _client: SerialPortMock } }
    const { _client: serial } = port
    const write = serial.write.bind(serial)
    serial.write = (request: Buffer) => {
      rtuDevice.heard(
        request,
        bytes => serial.port?.emitData(bytes),
        () => {},
      )
      return write(request)
    }
  },
}

/** Bytes as many as were asked for, or a refusal in its own words; and an honest answer is read all the same. */
async function askBadly(device: Device, { request, answers }: { request: ReadRequest; answers: Hostile[] }): Promise<void> {
  if (!bus) throw new Error('there is no bus')
  device.next.push(...answers)
  while (device.next.length > 0) {
    const read = await bus.read(request).catch(refusal)
    const wanted = answerTo(request).length - 3
    if (read && read.length !== wanted) throw new Error(`${read.length} bytes were read, ${wanted} asked for`)
  }
  for (let tries = 0; ; tries++) {
    const read = await bus.read(HONEST).catch(refusal)
    if (read?.equals(answerTo(HONEST).subarray(3))) return
    if (tries >= HONEST_TRIES_MAX) throw new Error(`an honest answer came as ${read?.toString('hex') ?? 'nothing'}`)
  }
}

function refusal(error: unknown): undefined {
  if (!(error instanceof HeadraceError) || !['timeout', 'source_failed'].includes(error.code)) throw error
  return undefined
}

export const targets = [
  target({
    name: 'Modbus TCP: whatever a device answers, what was asked for is read or refused, and the next honest answer is read',
    input: hostile(numbered),
    runs: 40,
    async open() {
      bus = new ModbusBus(lineOf({ tcp: await listen(tcpDevice) }, systemClock), systemClock, () => 0)
    },
    close,
    run: input => askBadly(tcpDevice, input),
  }),
  target({
    name: 'Modbus RTU over TCP: whatever a device answers, what was asked for is read or refused, and the next honest answer is read',
    input: hostile(withCrc),
    runs: 100,
    async open() {
      bus = new ModbusBus(lineOf({ rtu_over_tcp: await listen(rtuDevice) }, systemClock), systemClock, () => 0)
    },
    close,
    run: input => askBadly(rtuDevice, input),
  }),
  target({
    name: 'Modbus RTU on a line: whatever a device answers, what was asked for is read or refused, and the next honest answer is read',
    input: hostile(withCrc),
    runs: 100,
    async open() {
      SerialPortMock.binding.createPort(MOCK_PATH)
      bus = new ModbusBus(mockLine, systemClock, () => 0)
    },
    close,
    run: input => askBadly(rtuDevice, input),
  }),
]
