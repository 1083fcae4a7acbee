import { execFileSync } from 'node:child_process'

/** A network namespace with one cable to the machine: what runs in it can be cut off without being told. Needs root, and iproute2. */
export class NetworkNamespace {
  readonly #name: string
  readonly #near: string
  readonly #far: string
  /** Address of the machine, as seen from within. */
  readonly gateway: string
  /** Its own address, as seen from the machine. */
  readonly address: string

  /** `number` tells it from others on the machine, 0 to 16383. */
  constructor(number: number) {
    this.#name = `headrace-${number}`
    this.#near = `hr${number}a`
    this.#far = `hr${number}b`
    const subnet = `10.${192 + (number >> 8)}.${number & 255}`
    this.gateway = `${subnet}.1`
    this.address = `${subnet}.2`
    ip('netns', 'add', this.#name)
    ip('link', 'add', this.#near, 'type', 'veth', 'peer', 'name', this.#far, 'netns', this.#name)
    ip('addr', 'add', `${this.gateway}/24`, 'dev', this.#near)
    ip('link', 'set', this.#near, 'up')
    this.#within('addr', 'add', `${this.address}/24`, 'dev', this.#far)
    this.#within('link', 'set', this.#far, 'up')
    this.#within('link', 'set', 'lo', 'up')
  }

  /** What a command is started through to run in it. */
  get prefix(): string[] {
    return ['ip', 'netns', 'exec', this.#name]
  }

  /** The cable is pulled: packets are lost, no end is told. */
  pull(): void {
    ip('link', 'set', this.#near, 'down')
  }

  plugIn(): void {
    ip('link', 'set', this.#near, 'up')
  }

  /** Packets towards the machine are lost; those from it arrive: half of the line is open. */
  swallow(): void {
    this.#within('route', 'add', 'blackhole', `${this.gateway}/32`)
  }

  swallowNoMore(): void {
    this.#within('route', 'del', 'blackhole', `${this.gateway}/32`)
  }

  /** Both ways no faster than that. */
  narrow(kbit: number): void {
    const limits = ['root', 'tbf', 'rate', `${kbit}kbit`, 'burst', '3000', 'latency', '2s']
    execFileSync('tc', ['qdisc', 'add', 'dev', this.#near, ...limits])
    execFileSync('ip', ['netns', 'exec', this.#name, 'tc', 'qdisc', 'add', 'dev', this.#far, ...limits])
  }

  widen(): void {
    execFileSync('tc', ['qdisc', 'del', 'dev', this.#near, 'root'])
    execFileSync('ip', ['netns', 'exec', this.#name, 'tc', 'qdisc', 'del', 'dev', this.#far, 'root'])
  }

  remove(): void {
    ip('netns', 'del', this.#name)
    try {
      ip('link', 'del', this.#near)
    } catch {
      // It went with its other end.
    }
  }

  #within(...args: string[]): void {
    ip('-n', this.#name, ...args)
  }
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}
