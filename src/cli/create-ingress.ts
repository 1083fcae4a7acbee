import { dial } from '../amqp/dial.ts'
import type { TlsMaterial } from '../amqp/limits.ts'
import { type ListenOptions, listen } from '../amqp/listen.ts'
import { watchedConnection, watchedHandlers } from '../amqp/watched.ts'
import type { CoreConfig } from '../config/core.ts'
import { identityRule } from '../ingress/identity.ts'
import { Ingress } from '../ingress/ingress.ts'
import { connectUrls, type IngressOptions } from '../ingress/options.ts'
import { SqliteParking } from '../ingress/parking.ts'
import type { Log } from '../log/log.ts'
import type { Alarms } from '../runtime/alarms.ts'
import { systemClock } from '../runtime/clock.ts'
import { ListenerTls } from '../runtime/listener-tls.ts'
import type { Logger } from '../runtime/logger.ts'
import { readTlsMaterial, type TlsFiles } from '../runtime/tls-files.ts'
import type { CoreAuthority } from './authority.ts'
import { readLogin } from './login.ts'
import type { Tracing } from './tracing.ts'

/** AMQP sessions of one connection to a router or broker: a few for each gateway behind it. */
const SESSIONS_MAX = 32_768

export interface IngressParts {
  /** `<state>/core`. */
  readonly stateDir: string
  readonly log: Log
  readonly logger: Logger
  readonly alarms: Alarms
  readonly authority?: CoreAuthority | undefined
  readonly tracing?: Tracing | undefined
}

/** The ingress that core.yaml asks for: one that listens, or one that connects to routers or brokers. */
export function createIngress(config: CoreConfig, options: IngressOptions, parts: IngressParts): Ingress {
  const { log, logger, alarms, authority, tracing } = parts
  const watch = tracing?.received()
  const identities = authority?.desk
  const common = {
    name: config.name,
    log,
    identities,
    quotas: config.quotas,
    clock: systemClock,
    random: Math.random,
    logger,
    alarms,
  }
  const { listen: url, connections_max: connectionsMax, tls, sasl } = options
  // What is wrong with files is said at the start.
  if (sasl) readLogin(sasl)
  if (url !== undefined) {
    const server = authority ? { tls: authority.tls, strangers: 'admitted' as const } : tls && fromFiles(tls, logger)
    return new Ingress({
      ...common,
      listen: handlers =>
        listen(
          { url, containerId: config.name, connectionsMax, ...server, clock: systemClock, log: logger },
          watch ? watchedHandlers(handlers, watch) : handlers,
        ),
      mayWrite: identityRule(server?.tls.ca === undefined ? 'optional' : 'required'),
    })
  }
  if (tls) readTlsMaterial(tls)
  const upstreams = connectUrls(options).map(address => ({
    url: address,
    connect: async () => {
      const connection = await dial({
        url: address,
        containerId: config.name,
        sessionsMax: SESSIONS_MAX,
        // Read anew each time: certificates are renewed while the process runs.
        ...(tls && { tls: readTlsMaterial(tls) }),
        ...(sasl && { user: readLogin(sasl) }),
        clock: systemClock,
        log: logger,
      })
      return watch ? watchedConnection(connection, watch) : connection
    },
  }))
  // Who may write as whom is for the router's or broker's policy to say: it knows the gateway, and is the only peer here.
  const mayWrite = identityRule('optional')
  if (options.mode === 'router') return new Ingress({ ...common, mayWrite, routers: upstreams })
  const parking = new SqliteParking({ folder: parts.stateDir, maxBytes: options.parking, alarms, logger })
  return new Ingress({ ...common, mayWrite, brokers: { upstreams, parking } })
}

function fromFiles(files: TlsFiles, logger: Logger): Pick<ListenOptions, 'tls' | 'renewedTls'> & { tls: TlsMaterial } {
  const listener = new ListenerTls('ingress.tls', files, logger)
  return { tls: listener.first, renewedTls: () => listener.renewed() }
}
