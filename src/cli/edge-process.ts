import { hostname } from 'node:os'
import { join } from 'node:path'
import { dial } from '../amqp/dial.ts'
import type { EdgeBuffer } from '../buffer/buffer.ts'
import { openEdgeBuffer } from '../buffer/open.ts'
import type { SourceSettings } from '../buffer/source-buffer.ts'
import type { EdgeConfig } from '../config/edge.ts'
import { kindOf, type LoadedPipeline } from '../config/load.ts'
import type { SourceConfig } from '../config/pipeline.ts'
import { ControlServer } from '../console/control-server.ts'
import { Budget } from '../link/budget.ts'
import { Link } from '../link/link.ts'
import { uplinkUrls } from '../link/options.ts'
import { Alarms } from '../runtime/alarms.ts'
import { systemClock } from '../runtime/clock.ts'
import { HeadraceError } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import { SourceRunner } from '../source/runner.ts'
import { SharedParts } from '../source/shared-parts.ts'
import { controlPath } from './state-paths.ts'
import { readLogin, readTlsMaterial } from './tls-material.ts'
import { VERSION } from './version.ts'

export interface EdgeStatus {
  readonly version: string
  readonly role: 'edge'
  readonly gateway: string
  readonly running: true
  readonly link: { readonly state: string; readonly peer: string | null; readonly session: string | null; readonly since: string }
  readonly disk: { readonly quota_bytes: number; readonly used_bytes: number; readonly written_bytes: number }
  readonly sources: readonly EdgeSourceStatus[]
  readonly alarms: readonly unknown[]
}

export interface EdgeSourceStatus {
  readonly source: string
  readonly pipeline: string | null
  readonly state: string
  readonly reason: string | null
  readonly read: number
  readonly decode_errors: number
  readonly dropped: number
  readonly next: number
  readonly settled: number
  readonly buffered: { readonly records: number; readonly bytes: number; readonly oldest: string | null }
  readonly topic: string
  readonly partition: number | null
}

/** The gateway's agent: sources → buffer → link. */
export class EdgeProcess {
  readonly #config: EdgeConfig
  readonly #buffer: EdgeBuffer
  readonly #runners: ReadonlyMap<string, { readonly runner: SourceRunner; readonly pipeline: string }>
  readonly #link: Link
  readonly #control: ControlServer
  readonly #alarms: Alarms

  private constructor(parts: {
    config: EdgeConfig
    buffer: EdgeBuffer
    runners: ReadonlyMap<string, { runner: SourceRunner; pipeline: string }>
    link: Link
    alarms: Alarms
    log: Logger
  }) {
    this.#config = parts.config
    this.#buffer = parts.buffer
    this.#runners = parts.runners
    this.#link = parts.link
    this.#alarms = parts.alarms
    this.#control = new ControlServer(controlPath(parts.config.state, 'edge'), this.#calls(), parts.log)
  }

  /** Opens everything and starts it, the buffer first and the sources last. */
  static async start(config: EdgeConfig, pipelines: readonly LoadedPipeline[], log: Logger): Promise<EdgeProcess> {
    // What is wrong with files is said at the start, and not once a connection is tried.
    if (config.uplink.tls) readTlsMaterial(config.uplink.tls)
    if (config.uplink.sasl) readLogin(config.uplink.sasl)
    const clock = systemClock
    const alarms = new Alarms(clock)
    const buffer = await openEdgeBuffer({
      stateDir: join(config.state, 'edge'),
      gateway: config.gateway,
      quotaBytes: config.buffer.quota,
      rewindBytes: config.buffer.rewind,
      sources: pipelines.flatMap(settingsOf),
      clock,
      random: Math.random,
      log: log.child({ part: 'buffer' }),
      alarms,
    })
    const link = new Link({
      gateway: config.gateway,
      buffer,
      mode: config.uplink.mode,
      ...(config.uplink.budget && {
        budget: new Budget({ options: config.uplink.budget, file: join(config.state, 'edge', 'budget.json'), clock, alarms }),
      }),
      connect: connector(config, log),
      clock,
      random: Math.random,
      log,
      alarms,
    })
    const edge = new EdgeProcess({ config, buffer, runners: runnersOf(config, pipelines, buffer, log), link, alarms, log })
    try {
      await edge.#control.start()
    } catch (error) {
      await buffer.close()
      throw error
    }
    link.start()
    await Promise.all([...edge.#runners.values()].map(({ runner }) => runner.start()))
    return edge
  }

  /** Reads nothing more; what was read is on disk when this resolves, and goes on to the core. */
  async stopReading(): Promise<void> {
    await Promise.allSettled([...this.#runners.values()].map(({ runner }) => runner.stop()))
    await Promise.allSettled([...this.#runners.keys()].map(source => this.#buffer.inlet(source).stored()))
  }

  /** Stops reading, commits, settles what can be settled within a few seconds, closes. */
  async stop(): Promise<void> {
    await this.stopReading()
    await this.#link.stop()
    await this.#buffer.close()
    await this.#control.stop()
  }

  status(): EdgeStatus {
    const { state, peer, session, since, sources: lanes } = this.#link.status()
    const disk = this.#buffer.disk()
    const frozen = new Map(lanes.map(lane => [lane.source, lane]))
    return {
      version: VERSION,
      role: 'edge',
      gateway: this.#config.gateway,
      running: true,
      link: { state, peer: peer ?? null, session: session === undefined ? null : String(session), since },
      disk: { quota_bytes: disk.quotaBytes, used_bytes: disk.usedBytes, written_bytes: disk.writtenBytes },
      sources: this.#buffer.outlets().map(outlet => {
        const entry = this.#runners.get(outlet.source)
        const running = entry?.runner.status()
        const buffered = outlet.buffered()
        const lane = frozen.get(outlet.source)
        const isFrozen = lane?.state === 'frozen'
        return {
          source: outlet.source,
          pipeline: entry?.pipeline ?? null,
          state: isFrozen ? 'frozen' : (running?.state ?? 'removed'),
          reason: isFrozen ? (lane.reason ?? null) : (running?.reason ?? null),
          read: running?.read ?? 0,
          decode_errors: running?.decode_errors ?? 0,
          dropped: entry ? this.#buffer.inlet(outlet.source).counts().dropped : 0,
          next: outlet.next,
          settled: outlet.settled,
          buffered: {
            records: buffered.records,
            bytes: buffered.bytes,
            oldest: buffered.oldestMs === undefined ? null : new Date(buffered.oldestMs).toISOString(),
          },
          topic: outlet.topic,
          partition: outlet.assignment?.partition ?? null,
        }
      }),
      alarms: this.#alarms.list(),
    }
  }

  #calls() {
    return {
      status: async () => this.status(),
      'source.list': async () => this.status().sources,
      'source.resume': async (args: Readonly<Record<string, unknown>>) => this.#link.resume(String(args['source'])),
    }
  }
}

function settingsOf(pipeline: LoadedPipeline): SourceSettings[] {
  return Object.entries(pipeline.config.sources).map(([source, config]) => {
    const { kind } = kindOf(config)
    return {
      source,
      topic: pipeline.topic,
      whenFull: config.buffer.when_full ?? kind.whenFull,
      priority: config.buffer.priority,
      ...(config.buffer.ttl !== undefined && { ttlMs: config.buffer.ttl }),
      durabilityMs: pipeline.config.durability,
    }
  })
}

function runnersOf(config: EdgeConfig, pipelines: readonly LoadedPipeline[], buffer: EdgeBuffer, log: Logger) {
  const shared = new SharedParts()
  const runners = new Map<string, { runner: SourceRunner; pipeline: string }>()
  for (const { config: pipeline } of pipelines) {
    for (const [source, options] of Object.entries(pipeline.sources)) {
      runners.set(source, { runner: runnerOf(config.gateway, source, options, buffer, shared, log), pipeline: pipeline.pipeline })
    }
  }
  return runners
}

function runnerOf(
  gateway: string,
  source: string,
  config: SourceConfig,
  buffer: EdgeBuffer,
  shared: SharedParts,
  log: Logger,
): SourceRunner {
  const { kind, options } = kindOf(config)
  const inlet = buffer.inlet(source)
  const outlet = buffer.outlet(source)
  const buffered = () => outlet?.buffered().records ?? 0
  return new SourceRunner({
    id: { gateway, source },
    kind,
    options,
    frame: config.frame,
    decode: config.decode ?? 'raw',
    sink: {
      append: (timeMs, bytes, from, to, headers) => inlet.append(timeMs, bytes, from, to, headers),
      stored: () => inlet.stored(),
      onRoom: call => inlet.onRoom(call),
      recordsStored: () => (outlet?.settled ?? 0) + buffered(),
      recordsBuffered: buffered,
    },
    shared,
    clock: systemClock,
    log,
    random: Math.random,
  })
}

/** Connects to the addresses of the uplink in turn. */
function connector(config: EdgeConfig, log: Logger) {
  const urls = uplinkUrls(config.uplink)
  const { tls, sasl } = config.uplink
  return (attempt: number) => {
    const url = urls[attempt % urls.length]
    if (url === undefined) throw new HeadraceError('internal', 'the uplink has no address')
    // Read anew each time: certificates are renewed while the process runs.
    const material = tls && readTlsMaterial(tls)
    return dial({
      url,
      containerId: `${config.gateway}@${hostname()}`,
      ...(material && { tls: material }),
      ...(sasl && { user: readLogin(sasl) }),
      clock: systemClock,
      log,
    })
  }
}
