import { execFileSync } from 'node:child_process'
import { Cable } from './cable.ts'

const NUMBERS = 16_384

/** A network namespace with one cable to the machine. Needs root, and iproute2. */
export class NetworkNamespace {
  readonly name: string
  /** Its cable to the machine: the near end is the machine's. */
  readonly cable: Cable
  readonly #number: number

  /** `number` tells it from others on the machine; it counts modulo 16,384. */
  constructor(number: number) {
    this.#number = number % NUMBERS
    this.name = `headrace-${this.#number}`
    execFileSync('ip', ['netns', 'add', this.name])
    execFileSync('ip', ['-n', this.name, 'link', 'set', 'lo', 'up'])
    const subnet = this.#subnet(192)
    this.cable = new Cable(
      { device: `hr${this.#number}a`, address: `${subnet}.1` },
      { namespace: this.name, device: `hr${this.#number}b`, address: `${subnet}.2` },
    )
  }

  /** Address of the machine, as seen from within. */
  get gateway(): string {
    return this.cable.near.address
  }

  /** Its own address, as seen from the machine. */
  get address(): string {
    return this.cable.far.address
  }

  /** What a command is started through to run in it. */
  get prefix(): string[] {
    return ['ip', 'netns', 'exec', this.name]
  }

  /** A cable to another namespace, with this one at its near end. */
  layTo(other: NetworkNamespace): Cable {
    const subnet = this.#subnet(128)
    return new Cable(
      { namespace: this.name, device: `hr${this.#number}c`, address: `${subnet}.1` },
      { namespace: other.name, device: `hr${this.#number}d`, address: `${subnet}.2` },
    )
  }

  remove(): void {
    execFileSync('ip', ['netns', 'del', this.name])
    this.cable.remove()
  }

  /** Of 64 from `first` on. */
  #subnet(first: number): string {
    return `10.${first + (this.#number >> 8)}.${this.#number & 255}`
  }
}
