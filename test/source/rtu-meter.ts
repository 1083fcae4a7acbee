import { Pty } from '../../hardware/simulators/pty.ts'

/** CRC-16/MODBUS (Modbus over serial line 1.02, 6.2.2), low byte first on the wire. */
function crc16(bytes: Uint8Array): number {
  let crc = 0xffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1
  }
  return crc
}

const REQUEST_BYTES = 8

/**
 * Units on an RS-485 line (a pseudo terminal) that answer requests for input registers, each register with its own address plus the unit's number
 * times a thousand. Counts requests that came before the one before was answered: on such a line they would have collided.
 */
export class RtuLine {
  readonly asked: { unit: number; address: number; length: number }[] = []
  collisions = 0
  /** How long an answer takes, ms; undefined: the unit is dead. */
  readonly delayOf = new Map<number, number | undefined>()
  /** Called on each answer before it is sent, to spoil it. */
  spoil: (answer: Buffer) => Buffer = answer => answer
  readonly #pty: Pty
  #held = Buffer.alloc(0)
  #answering = false

  private constructor(pty: Pty) {
    this.#pty = pty
    pty.onBytes(bytes => this.#take(bytes))
  }

  static async open(link: string, units: readonly number[]): Promise<RtuLine> {
    const line = new RtuLine(await Pty.open(link))
    for (const unit of units) line.delayOf.set(unit, 2)
    return line
  }

  close(): Promise<void> {
    return this.#pty.close()
  }

  #take(bytes: Buffer): void {
    this.#held = Buffer.concat([this.#held, bytes])
    while (this.#held.length >= REQUEST_BYTES) {
      const request = this.#held.subarray(0, REQUEST_BYTES)
      this.#held = this.#held.subarray(REQUEST_BYTES)
      if (crc16(request.subarray(0, 6)) !== request.readUInt16LE(6)) continue
      if (this.#answering) this.collisions += 1
      this.#answer(request[0] ?? 0, request.readUInt16BE(2), request.readUInt16BE(4))
    }
  }

  #answer(unit: number, address: number, length: number): void {
    this.asked.push({ unit, address, length })
    const delayMs = this.delayOf.get(unit)
    if (delayMs === undefined) return
    this.#answering = true
    const answer = Buffer.alloc(5 + 2 * length)
    answer.set([unit, 4, 2 * length])
    for (let at = 0; at < length; at++) answer.writeUInt16BE((unit * 1_000 + address + at) & 0xffff, 3 + 2 * at)
    answer.writeUInt16LE(crc16(answer.subarray(0, -2)), answer.length - 2)
    setTimeout(() => {
      this.#answering = false
      this.#pty.write(this.spoil(answer))
    }, delayMs)
  }
}
