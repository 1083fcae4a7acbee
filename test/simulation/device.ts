import type { Inlet } from '../../src/buffer/buffer.ts'
import { Ledger } from './ledger.ts'
import type { SimulatedProcess } from './simulated-process.ts'

/** One source's device: what it says is read while the gateway runs, and waits where the gateway has to. */
export class Device {
  readonly source: string
  readonly ledger: Ledger
  #inlet: Inlet | undefined
  #process: SimulatedProcess | undefined
  /** What it has to say and cannot, since the gateway does not read. */
  readonly #waiting: number[] = []

  constructor(source: string) {
    this.source = source
    this.ledger = new Ledger(source)
  }

  /** A gateway's process reads it. */
  attach(inlet: Inlet, process: SimulatedProcess): void {
    this.#inlet = inlet
    this.#process = process
    this.#say()
  }

  detach(): void {
    this.#inlet = undefined
    this.#process = undefined
    this.ledger.died()
  }

  /** Nobody hears what it says while no process reads it. */
  says(count: number, bytes: number): void {
    if (!this.#inlet) return
    for (let index = 0; index < count; index++) this.#waiting.push(bytes)
    this.#say()
  }

  get waits(): boolean {
    return this.#waiting.length > 0
  }

  #say(): void {
    const inlet = this.#inlet
    const process = this.#process
    if (!inlet || !process) return
    for (let bytes = this.#waiting[0]; bytes !== undefined; bytes = this.#waiting[0]) {
      const value = payload(this.source, this.ledger.count, bytes)
      const result = inlet.append(process.clock.wallMs(), value, 0, value.length)
      if (result === 'full') {
        inlet.onRoom(() => process.run(() => this.#say()))
        break
      }
      this.#waiting.shift()
      this.ledger.add(result === 'too_large' ? 'dropped' : result)
    }
    const count = this.ledger.count
    void inlet.stored().then(() => {
      if (process.alive) this.ledger.stored(count)
    })
  }
}

/** `<source>#<id>:` and bytes that do not compress. */
function payload(source: string, id: number, bytes: number): Buffer {
  const head = Buffer.from(`${source}#${id}:`)
  const value = Buffer.alloc(Math.max(head.length, bytes))
  head.copy(value)
  let state = (id + 1) * 2_654_435_761
  for (let at = head.length; at < value.length; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    value[at] = state >>> 24
  }
  return value
}
