import { SerialPort } from 'serialport'
import { HeadraceError } from '../runtime/errors.ts'
import { crc16Modbus } from './decode/binary.ts'
import { type Guess, guess } from './guess.ts'
import { agreedWith, callOf } from './meter-call.ts'
import { whyNotOpened } from './serial-machine.ts'
import { readPort } from './serial-read.ts'

/** What meters are called at (IEC 62056-21); nothing else is looked for there. */
const METER = { baud: 300, parity: 'even', data_bits: 7 } as const
/** Line settings in the order in which they are met most often. */
const SETTINGS = [
  { baud: 9_600, parity: 'none' as const, data_bits: 8 as const },
  METER,
  ...[9_600, 115_200, 4_800, 38_400, 19_200, 2_400, 57_600]
    .flatMap(baud => [
      { baud, parity: 'none' as const, data_bits: 8 as const },
      { baud, parity: 'even' as const, data_bits: 8 as const },
      { baud, parity: 'even' as const, data_bits: 7 as const },
    ])
    .slice(1),
]
export type LineSettings = (typeof SETTINGS)[number]

const BYTES_MAX = 64 * 1024
/** Bytes after which it is told whether they mean anything. */
const BYTES_ENOUGH = 4 * 1024
const UNITS_ASKED = 8
/** A meter that is called takes 1.5 s at the most, and its answer half a second at 300 baud. */
const METER_LIMIT_MS = 2_500
const ANSWER_LIMIT_MS = 300

export type Found =
  | { readonly kind: 'speaks'; readonly settings: LineSettings; readonly guess: Guess }
  | { readonly kind: 'modbus'; readonly settings: LineSettings; readonly unit: number }
  | {
      readonly kind: 'answers'
      readonly settings: LineSettings
      readonly request: string
      readonly sample: string
      readonly device: string
    }

export interface ProbeOptions {
  readonly path: string
  /** How long each setting is listened to. */
  readonly listenMs: number
  /** Whether something may be sent: to a machine that takes commands, that may be one. */
  readonly mayAsk: boolean
  onAttempt(settings: LineSettings, heard: number): void
}

/** Tries line settings and framings on a port until one makes sense; undefined where none does. Rejects where the port cannot be opened. */
export async function probePort(options: ProbeOptions): Promise<Found | undefined> {
  for (const settings of SETTINGS) {
    const port = await open(options.path, settings)
    try {
      const line = new Line(port)
      const heard = await line.listen(options.listenMs, bytes => bytes.length > BYTES_ENOUGH && guess(bytes) !== undefined)
      options.onAttempt(settings, heard.length)
      const meaning = guess(heard)
      if (meaning) return { kind: 'speaks', settings, guess: meaning }
      // Whoever speaks by himself is not asked.
      const answered = options.mayAsk && heard.length === 0 ? await ask(line, settings) : undefined
      if (answered) return answered
    } finally {
      await port.close().catch(() => {})
    }
  }
  return undefined
}

type Port = Awaited<ReturnType<typeof SerialPort.binding.open>>

function open(path: string, { baud, parity, data_bits }: LineSettings): Promise<Port> {
  return SerialPort.binding
    .open({ path, baudRate: baud, parity, dataBits: data_bits, stopBits: 1, lock: true })
    .catch((cause: unknown) => {
      throw new HeadraceError('source_failed', whyNotOpened(path, cause), {
        advice: 'See "headrace devices" for the ports of this machine.',
        cause,
      })
    })
}

/** A port that is read all the time, so that nothing waits in a read when it is closed. */
class Line {
  readonly #port: Port
  #heard: Buffer = Buffer.alloc(0)

  constructor(port: Port) {
    this.#port = port
    void this.#read()
  }

  write(bytes: Buffer): Promise<void> {
    this.#heard = Buffer.alloc(0)
    return this.#port.write(bytes)
  }

  /** What has come within `limitMs`, or until it is enough. */
  async listen(limitMs: number, isEnough: (bytes: Buffer) => boolean): Promise<Buffer> {
    const until = performance.now() + limitMs
    while (performance.now() < until && !isEnough(this.#heard)) await new Promise(resolve => setTimeout(resolve, 20))
    return this.#heard
  }

  async #read(): Promise<void> {
    const buffer = Buffer.allocUnsafe(4_096)
    try {
      for (;;) {
        const count = await readPort(this.#port, buffer)
        if (this.#heard.length < BYTES_MAX) this.#heard = Buffer.concat([this.#heard, buffer.subarray(0, count)])
      }
    } catch {
      // Closed, or gone: what was heard until then is all there is.
    }
  }
}

const QUESTIONS = [
  { request: 'Q1\r', device: 'ups-megatec', isAnswer: /^\((?:\S+ ){7}[01]{8}\r/ },
  { request: 'SI\r\n', device: 'mettler-toledo-sics', isAnswer: /^(?:S [SDI]|ES|S \+|S -)/ },
]

async function ask(line: Line, settings: LineSettings): Promise<Found | undefined> {
  if (settings === METER) return callMeter(line)
  for (let unit = 1; unit <= UNITS_ASKED; unit++) {
    for (const code of [4, 3]) {
      const request = Buffer.from([unit, code, 0, 0, 0, 2, 0, 0])
      request.writeUInt16LE(crc16Modbus(request.subarray(0, 6)), 6)
      await line.write(request)
      const answer = await line.listen(ANSWER_LIMIT_MS, bytes => isModbusAnswer(bytes, unit))
      if (isModbusAnswer(answer, unit)) return { kind: 'modbus', settings, unit }
    }
  }
  for (const { request, device, isAnswer } of QUESTIONS) {
    await line.write(Buffer.from(request))
    const answer = await line.listen(ANSWER_LIMIT_MS, bytes => isAnswer.test(bytes.toString('latin1')))
    const sample = answer.toString('latin1')
    if (isAnswer.test(sample)) return { kind: 'answers', settings, request, sample: sample.trim(), device }
  }
  return undefined
}

async function callMeter(line: Line): Promise<Found | undefined> {
  const request = callOf('')
  await line.write(request)
  const isAnswer = (bytes: Buffer) => agreedWith(bytes, METER.baud) !== undefined
  const answer = await line.listen(METER_LIMIT_MS, isAnswer)
  if (!isAnswer(answer)) return undefined
  const sample = answer.toString('latin1').trim()
  return { kind: 'answers', settings: METER, request: request.toString('latin1'), sample, device: 'iec62056-meter' }
}

/** An answer or an exception of that unit, with the right checksum. */
function isModbusAnswer(bytes: Buffer, unit: number): boolean {
  if (bytes[0] !== unit || bytes.length < 5) return false
  const length = ((bytes[1] ?? 0) & 0x80) !== 0 ? 5 : 5 + (bytes[2] ?? 0)
  return bytes.length >= length && crc16Modbus(bytes.subarray(0, length - 2)) === bytes.readUInt16LE(length - 2)
}
