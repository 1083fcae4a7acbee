import type { Outlet } from '../../src/buffer/buffer.ts'
import { identityRule } from '../../src/ingress/identity.ts'
import { Ingress, type IngressDeps } from '../../src/ingress/ingress.ts'
import { Link } from '../../src/link/link.ts'
import type { LinkDeps } from '../../src/link/link-deps.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { MemoryNetwork } from '../support/memory-amqp.ts'
import { MemoryBuffer, MemoryDisk } from '../support/memory-buffer.ts'
import { MemoryLog } from '../support/memory-log.ts'
import { SeededRandom } from '../support/random.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

/** A gateway's process: the buffer over its disk, and the link. */
export interface Gateway {
  readonly name: string
  readonly disk: MemoryDisk
  readonly buffer: MemoryBuffer
  readonly link: Link
  readonly alarms: Alarms
}

/** Gateways, ingresses and a log in one process, on a clock and a network of the test's own. The same seed gives the same run. */
export class World {
  readonly random: SeededRandom
  readonly clock = new SimulatedClock()
  readonly log = new MemoryLog(this.clock)
  readonly coreAlarms = new Alarms(this.clock)
  readonly network: MemoryNetwork
  /** By the name at which they listen. */
  readonly ingresses = new Map<string, Ingress>()

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
    this.network = new MemoryNetwork(this.clock, () => this.random.next())
  }

  async startIngress(name = 'core-1', changes: Partial<IngressDeps> = {}): Promise<Ingress> {
    const ingress = new Ingress({
      name,
      log: this.log,
      listen: handlers => this.network.listen(handlers, name),
      mayWrite: identityRule('optional'),
      clock: this.clock,
      random: () => this.random.next(),
      logger: silentLogger,
      alarms: this.coreAlarms,
      ...changes,
    })
    await ingress.start()
    this.ingresses.set(name, ingress)
    return ingress
  }

  /** Ends the ingress as kill -9 would, as seen from outside. */
  killIngress(name = 'core-1'): void {
    this.network.cut()
    void this.ingresses.get(name)?.stop()
    this.ingresses.delete(name)
  }

  startGateway(name: string, disk: MemoryDisk, sources: readonly string[], changes: Partial<LinkDeps> = {}): Gateway {
    const buffer = new MemoryBuffer(name, disk)
    for (const source of sources) buffer.addSource(source, 'topic-1')
    const alarms = new Alarms(this.clock)
    const link = new Link({
      gateway: name,
      buffer,
      connect: attempt => this.network.dial([...this.ingresses.keys()][attempt % this.ingresses.size]),
      clock: this.clock,
      random: () => this.random.next(),
      log: silentLogger,
      alarms,
      ...changes,
    })
    link.start()
    return { name, disk, buffer, link, alarms }
  }

  /** Stops at once, as kill -9 would: what was on its way stays on its way. */
  killGateway(gateway: Gateway): void {
    void gateway.link.stop()
  }

  /** The values that lie in a source's partition, in order; null for a placeholder's. */
  async values(gateway: string, source: string): Promise<(string | null)[]> {
    const claim = await this.log.claimOf({ gateway, source })
    return claim ? this.log.records(claim).map(({ value }) => value?.toString() ?? null) : []
  }

  /** Passes time until everything that the gateways' sources were given is settled. */
  drained(gateways: readonly Gateway[], limitMs = 120_000): Promise<boolean> {
    const isDrained = (outlet: Outlet) => outlet.frozen !== undefined || outlet.settled === outlet.next
    return this.clock.passUntil(
      () =>
        gateways.every(({ buffer }) => buffer.outlets().every(outlet => isDrained(outlet) && buffer.uncut(outlet.source) === 0)),
      limitMs,
    )
  }
}

/** What went wrong with a source's partition: nothing, where it holds what its device gave, each once and in order. */
export function findings(values: readonly (string | null)[], source: string, given: number): string[] {
  const found: string[] = []
  for (const [offset, value] of values.entries()) {
    if (value !== `${source}#${offset}`) found.push(`offset ${offset} holds ${value}`)
  }
  if (values.length !== given) found.push(`${values.length} of ${given} records`)
  return found.slice(0, 5)
}

/** The sources of {@link settled}'s gateway. */
export const SOURCES = ['source-1', 'source-2', 'source-3']

/** A gateway and an ingress that have carried something. */
export async function settled(seed = 1): Promise<{ world: World; gateway: Gateway }> {
  const world = new World(seed)
  await world.startIngress()
  const gateway = world.startGateway('gw-1', new MemoryDisk('instance-1'), SOURCES)
  for (const source of SOURCES) gateway.buffer.give(source, 100)
  if (!(await world.drained([gateway]))) throw new Error('what a new gateway gave did not arrive')
  return { world, gateway }
}
