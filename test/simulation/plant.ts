import type { Connection } from '../../src/amqp/amqp.ts'
import type { EdgeBuffer } from '../../src/buffer/buffer.ts'
import type { BufferIndex } from '../../src/buffer/buffer-index.ts'
import { BUFFER_LIMITS } from '../../src/buffer/limits.ts'
import { openEdgeBuffer } from '../../src/buffer/open.ts'
import type { SourceHooks } from '../../src/buffer/source-buffer.ts'
import type { AsyncStore } from '../../src/buffer/store-thread.ts'
import type { GateDeps } from '../../src/ingress/gate.ts'
import { identityRule } from '../../src/ingress/identity.ts'
import { Ingress, type IngressDeps } from '../../src/ingress/ingress.ts'
import { INGRESS_LIMITS } from '../../src/ingress/limits.ts'
import type { InFlight } from '../../src/link/flight.ts'
import { LINK_LIMITS } from '../../src/link/limits.ts'
import { Link } from '../../src/link/link.ts'
import type { Claim, Log } from '../../src/log/log.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { HeadraceError } from '../../src/runtime/errors.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { MemoryNetwork } from '../support/memory-amqp.ts'
import { MemoryLog } from '../support/memory-log.ts'
import { SeededRandom } from '../support/random.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { Device } from './device.ts'
import { GatewayDisk } from './gateway-disk.ts'
import { CORES, type Schedule, SOURCES } from './schedule.ts'
import { SimulatedProcess, seenBy } from './simulated-process.ts'
import { WireWatch } from './wire-watch.ts'

export const GATEWAY = 'gw-1'

/** Parts that are put in the place of the real ones, each with one bug; none of them by default. */
export interface Parts {
  readonly newFlight?: () => InFlight
  readonly standing?: NonNullable<GateDeps['standing']>
  readonly store?: (store: AsyncStore) => AsyncStore
  readonly newIndex?: (hooks: SourceHooks) => BufferIndex
  readonly buffer?: (buffer: EdgeBuffer) => EdgeBuffer
  readonly newSuspicion?: NonNullable<GateDeps['newSuspicion']>
  readonly check?: NonNullable<IngressDeps['check']>
  /** A connection as a gateway sees it. */
  readonly connection?: (connection: Connection) => Connection
  /** The log as a core sees it. */
  readonly log?: (log: Log) => Log
}

interface GatewayProcess {
  readonly process: SimulatedProcess
  readonly alarms: Alarms
  buffer: EdgeBuffer | undefined
  link: Link | undefined
}

interface CoreProcess {
  readonly process: SimulatedProcess
  readonly ingress: Ingress
}

/** A gateway with its devices, two cores, and the log between them: the real modules, each process on a clock of its own that can be stopped. */
export class Plant {
  readonly clock = new SimulatedClock()
  readonly random: SeededRandom
  readonly log = new MemoryLog(this.clock)
  readonly network: MemoryNetwork
  readonly disk = new GatewayDisk(this.clock)
  readonly wire = new WireWatch(source => this.buffer?.outlet(source)?.settled ?? 0)
  readonly devices: ReadonlyMap<string, Device>
  readonly coreAlarms = new Alarms(this.clock)
  readonly #schedule: Schedule
  readonly #parts: Parts
  readonly #cores = new Map<string, CoreProcess>()
  #gateway: GatewayProcess | undefined
  #dials = 0
  /** Of killed gateways: Node keeps what waits for several signals, with all that it knows of, until one of them comes. */
  readonly #deadLinks: Link[] = []
  /** Why a gateway could not start; a finding wherever it happens. */
  startFailure: string | undefined

  constructor(schedule: Schedule, parts: Parts) {
    this.#schedule = schedule
    this.#parts = parts
    this.devices = new Map(SOURCES.slice(0, schedule.sources ?? 2).map(source => [source, new Device(source)]))
    this.random = new SeededRandom(schedule.seed)
    this.network = new MemoryNetwork(this.clock, () => this.random.next())
  }

  get link(): Link | undefined {
    return this.#gateway?.link
  }

  get buffer(): EdgeBuffer | undefined {
    return this.#gateway?.buffer
  }

  get gatewayAlarms(): Alarms | undefined {
    return this.#gateway?.alarms
  }

  claimOf(source: string): Promise<Claim | undefined> {
    return this.log.claimOf({ gateway: GATEWAY, source })
  }

  async startGateway(): Promise<void> {
    if (this.#gateway) return
    const process = new SimulatedProcess(this.clock)
    const alarms = new Alarms(process.clock)
    const gateway: GatewayProcess = { process, alarms, buffer: undefined, link: undefined }
    this.#gateway = gateway
    try {
      const buffer = await this.#openBuffer(process, alarms)
      if (!process.alive) return await buffer.close()
      gateway.buffer = buffer
      gateway.link = this.#startLink(process, alarms, this.#parts.buffer?.(buffer) ?? buffer)
      for (const [source, device] of this.devices) device.attach(buffer.inlet(source), process)
    } catch (cause) {
      this.startFailure = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)
    }
  }

  /** Ends it as kill -9, or the power, does: nothing that it would still have done happens. */
  killGateway(): void {
    const gateway = this.#gateway
    this.#gateway = undefined
    if (!gateway) return
    gateway.process.kill()
    if (gateway.link) this.#deadLinks.push(gateway.link)
    this.disk.leave()
    for (const device of this.devices.values()) device.detach()
    this.network.cut()
    // Gives back the lock and the handles of its files, which are not looked at any more.
    void gateway.buffer?.close().catch(() => {})
  }

  /** Down for a while, and started again; the rest of the plant goes on. */
  gatewayDown(downMs: number, meanwhile: () => void = () => {}): void {
    if (!this.#gateway) return
    this.killGateway()
    meanwhile()
    this.clock.after(downMs, () => void this.startGateway())
  }

  async startCore(name: string): Promise<void> {
    if (this.#cores.has(name)) return
    const process = new SimulatedProcess(this.clock)
    const log = this.#parts.log?.(this.log) ?? this.log
    const { standing, newSuspicion, check } = this.#parts
    const ingress = new Ingress({
      name,
      log: seenBy(process, log),
      listen: handlers => this.network.listen(handlers, name),
      mayWrite: identityRule('optional'),
      clock: process.clock,
      random: () => this.random.next(),
      logger: silentLogger,
      alarms: this.coreAlarms,
      limits: { ...INGRESS_LIMITS, ...this.#schedule.ingressLimits },
      ...(standing && { standing }),
      ...(newSuspicion && { newSuspicion }),
      ...(check && { check }),
    })
    this.#cores.set(name, { process, ingress })
    await ingress.start()
  }

  coreDown(name: string, downMs: number): void {
    const core = this.#cores.get(name)
    if (!core) return
    this.#cores.delete(name)
    core.process.kill()
    this.network.vanish(name)
    this.clock.after(downMs, () => void this.startCore(name))
  }

  freezeCore(name: string): void {
    this.network.freeze(name)
    this.#cores.get(name)?.process.freeze()
  }

  wakeCores(): void {
    for (const name of CORES) {
      const sees = [() => this.#cores.get(name)?.process.wake(), () => this.network.thaw(name)]
      // Its own timers may be quicker than what was sent to it.
      if (this.random.next() < 0.5) sees.reverse()
      for (const see of sees) see()
    }
  }

  async resumeFrozen(): Promise<void> {
    const { link } = this
    for (const { source, state } of link?.status().sources ?? []) if (state === 'frozen') void link?.resume(source)
  }

  /** Everything that goes wrong is over. */
  async heal(): Promise<void> {
    this.disk.traps.length = 0
    this.disk.latencyMs = 1
    this.network.cuts = () => false
    this.log.fault = () => undefined
    this.network.hurts = () => false
    this.log.away = false
    this.log.setRight()
    this.log.latencyMs = 1
    this.wakeCores()
    for (const name of CORES) await this.startCore(name)
    await this.startGateway()
  }

  end(): void {
    this.killGateway()
    for (const { process } of this.#cores.values()) process.kill()
    for (const link of this.#deadLinks) void link.stop()
    this.disk.remove()
  }

  #openBuffer(process: SimulatedProcess, alarms: Alarms): Promise<EdgeBuffer> {
    const { quotaBytes, rewindBytes, durabilityMs, limits } = this.#schedule
    const { newIndex } = this.#parts
    const kinds = ['block', 'drop_oldest'] as const
    return openEdgeBuffer({
      stateDir: this.disk.folder,
      gateway: GATEWAY,
      quotaBytes,
      rewindBytes,
      limits: { ...BUFFER_LIMITS, ...limits },
      ...(newIndex && { newIndex }),
      sources: [...this.devices.keys()].map((source, at) => ({
        source,
        topic: 'topic-1',
        whenFull: kinds[at] ?? 'drop_newest',
        priority: 0,
        durabilityMs,
      })),
      clock: process.clock,
      random: () => this.random.next(),
      log: silentLogger,
      alarms,
      openStore: options => {
        const store = this.disk.store(process, options)
        return this.#parts.store?.(store) ?? store
      },
    })
  }

  #startLink(process: SimulatedProcess, alarms: Alarms, buffer: EdgeBuffer): Link {
    const { newFlight } = this.#parts
    const link = new Link({
      gateway: GATEWAY,
      buffer,
      connect: async () => {
        if (!process.alive) throw new HeadraceError('link_lost', 'the process is dead')
        const connection = await this.network.dial(CORES[this.#dials++ % CORES.length])
        const watched = this.wire.over(connection, process)
        return this.#parts.connection?.(watched) ?? watched
      },
      clock: process.clock,
      random: () => this.random.next(),
      log: silentLogger,
      alarms,
      limits: { ...LINK_LIMITS, ...this.#schedule.linkLimits },
      ...(newFlight ? { newFlight } : {}),
    })
    link.start()
    return link
  }
}
