import type { Framer, FramerHooks } from './framer.ts'
import type { FrameOptions } from './options.ts'

/*
  stream   = (noise telegram)*
  telegram = "/" … LF "!" … LF                      DSMR, IEC 62056-21 mode D
           | "/" … STX … LF "!" … LF ETX BCC        IEC 62056-21 mode C, where it was declared
  A "/" that begins a line begins a telegram anew: what came before it had lost its end.
*/
const SLASH = 0x2f
const BANG = 0x21
const LF = 0x0a
const STX = 0x02
const ETX = 0x03

type Part = 'noise' | 'lines' | 'last line' | 'etx' | 'block check'

/**
 * Telegrams of meters. Its checksum is the decoder's: a telegram with a wrong one is a record as well. Noise between telegrams is counted once for
 * each time that it interrupts them.
 */
export class TelegramFramer implements Framer {
  readonly #maxBytes: number
  readonly #hasBlockCheck: boolean
  readonly #hooks: FramerHooks
  #held: Buffer
  #bytes = 0
  #part: Part = 'noise'
  #last = LF
  #sawStx = false
  #sawNoise = false

  constructor(options: FrameOptions, hooks: FramerHooks) {
    this.#maxBytes = options.max_bytes
    this.#hasBlockCheck = options.telegram === 'iec62056'
    this.#hooks = hooks
    this.#held = Buffer.allocUnsafe(Math.min(1_024, options.max_bytes))
  }

  push(chunk: Buffer, receivedMs: number): void {
    for (const byte of chunk) this.#take(byte, receivedMs)
  }

  interrupted(): void {
    if (this.#part !== 'noise') this.#hooks.onTrouble('a telegram broke off')
    this.#startAnew()
  }

  #take(byte: number, timeMs: number): void {
    const beginsLine = this.#last === LF
    this.#last = byte
    if (this.#part === 'noise') {
      if (byte === SLASH) this.#begin()
      // Line ends between telegrams are usual.
      else if (byte !== LF && byte !== 0x0d && byte !== 0) this.#noise()
      return
    }
    if (byte === SLASH && beginsLine && this.#part !== 'block check') {
      this.#hooks.onTrouble('a telegram broke off')
      this.#begin()
      return
    }
    if (!this.#hold(byte)) return
    switch (this.#part) {
      case 'lines':
        if (byte === STX) this.#sawStx = true
        else if (byte === BANG && (beginsLine || this.#held[this.#bytes - 2] === STX)) this.#part = 'last line'
        return
      case 'last line':
        if (byte !== LF) return
        if (this.#hasBlockCheck && this.#sawStx) this.#part = 'etx'
        else this.#frame(timeMs)
        return
      case 'etx':
        if (byte === ETX) this.#part = 'block check'
        return
      case 'block check':
        this.#frame(timeMs)
    }
  }

  #begin(): void {
    this.#startAnew()
    this.#part = 'lines'
    this.#hold(SLASH)
  }

  #hold(byte: number): boolean {
    if (this.#bytes >= this.#maxBytes) {
      this.#hooks.onTrouble('a record was too long')
      this.#startAnew()
      return false
    }
    if (this.#bytes === this.#held.length) {
      const larger = Buffer.allocUnsafe(Math.min(this.#maxBytes, this.#held.length * 2))
      this.#held.copy(larger, 0, 0, this.#bytes)
      this.#held = larger
    }
    this.#held[this.#bytes++] = byte
    return true
  }

  #frame(timeMs: number): void {
    this.#hooks.onFrame(this.#held, 0, this.#bytes, timeMs)
    this.#startAnew()
    this.#last = LF
  }

  #noise(): void {
    if (!this.#sawNoise) this.#hooks.onTrouble('noise between telegrams')
    this.#sawNoise = true
  }

  #startAnew(): void {
    this.#bytes = 0
    this.#part = 'noise'
    this.#sawStx = false
    this.#sawNoise = false
  }
}
