import { execFileSync } from 'node:child_process'

/** Where a cable ends: in a network namespace, or on the machine itself. */
export interface CableEnd {
  readonly namespace?: string
  readonly device: string
  readonly address: string
}

/** A cable (veth) between two ends; what goes over it can be cut off without being told. Needs root, and iproute2. */
export class Cable {
  readonly near: CableEnd
  readonly far: CableEnd

  constructor(near: CableEnd, far: CableEnd) {
    this.near = near
    this.far = far
    const to = far.namespace === undefined ? [] : ['netns', far.namespace]
    within(near, 'link', 'add', near.device, 'type', 'veth', 'peer', 'name', far.device, ...to)
    for (const end of [near, far]) {
      within(end, 'addr', 'add', `${end.address}/24`, 'dev', end.device)
      within(end, 'link', 'set', end.device, 'up')
    }
  }

  /** It is pulled: packets are lost, no end is told. */
  pull(): void {
    within(this.near, 'link', 'set', this.near.device, 'down')
  }

  plugIn(): void {
    within(this.near, 'link', 'set', this.near.device, 'up')
  }

  /** Packets from the far end to the near one are lost; those the other way arrive: half of the line is open. */
  swallow(): void {
    within(this.far, 'route', 'add', 'blackhole', `${this.near.address}/32`)
  }

  swallowNoMore(): void {
    within(this.far, 'route', 'del', 'blackhole', `${this.near.address}/32`)
  }

  /** Both ways no faster than that. */
  narrow(kbit: number): void {
    const limits = ['tbf', 'rate', `${kbit}kbit`, 'burst', '3000', 'latency', '2s']
    for (const end of [this.near, this.far]) shape(end, 'add', ...limits)
  }

  widen(): void {
    for (const end of [this.near, this.far]) shape(end, 'del')
  }

  remove(): void {
    try {
      within(this.near, 'link', 'del', this.near.device)
    } catch {
      // It went with a namespace.
    }
  }
}

function within({ namespace }: CableEnd, ...args: string[]): void {
  run('ip', ...(namespace === undefined ? [] : ['-n', namespace]), ...args)
}

function shape({ namespace, device }: CableEnd, what: 'add' | 'del', ...limits: string[]): void {
  const inside = namespace === undefined ? [] : ['ip', 'netns', 'exec', namespace]
  const [program = 'tc', ...args] = [...inside, 'tc', 'qdisc', what, 'dev', device, 'root', ...limits]
  run(program, ...args)
}

function run(program: string, ...args: string[]): void {
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
}
