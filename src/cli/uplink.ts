import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Connection } from '../amqp/amqp.ts'
import { dial } from '../amqp/dial.ts'
import { IdentityKeeper } from '../ca/identity-keeper.ts'
import { wrongServer } from '../ca/peer-chain.ts'
import type { EdgeConfig } from '../config/edge.ts'
import type { ProofOf } from '../link/opening-channel.ts'
import { uplinkUrls } from '../link/options.ts'
import type { Alarms } from '../runtime/alarms.ts'
import { systemClock } from '../runtime/clock.ts'
import { HeadraceError } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import { readLogin, readTlsMaterial } from './tls-material.ts'

/** What `headrace enroll` got for a gateway. */
export function identityPath(state: string): string {
  return join(state, 'edge', 'identity.pem')
}

/** How a gateway reaches its core: the addresses of the uplink in turn, with the certificates that edge.yaml names, or those it enrolled for. */
export function createUplink(
  config: EdgeConfig,
  log: Logger,
  alarms: Alarms,
): { connect: (attempt: number) => Promise<Connection>; proofOf: ProofOf | undefined } {
  const urls = uplinkUrls(config.uplink)
  const { tls, sasl, mode } = config.uplink
  const keeper = new IdentityKeeper({
    path: identityPath(config.state),
    mode,
    clock: systemClock,
    random: Math.random,
    log,
    alarms,
  })
  const connectOnce = async (url: string) => {
    // Read anew each time: certificates are renewed while the process runs.
    const identity = tls || !url.startsWith('amqps:') ? undefined : keeper.current()
    const material = tls && readTlsMaterial(tls)
    const connection = await dial({
      url,
      containerId: `${config.gateway}@${hostname()}`,
      ...(material && { tls: material }),
      ...(identity && {
        tls: { cert: identity.chain, key: identity.key, ca: identity.root.toString() },
        wrongPeer: wrongServer(identity),
      }),
      ...(sasl && { user: readLogin(sasl) }),
      clock: systemClock,
      log,
    })
    return { connection, enrolled: identity !== undefined }
  }
  const connect = async (attempt: number) => {
    const url = urls[attempt % urls.length]
    if (url === undefined) throw new HeadraceError('internal', 'the uplink has no address')
    let { connection, enrolled } = await connectOnce(url)
    if (!enrolled) return connection
    // With a certificate that has ended nothing else is open than its renewal.
    if ((await keeper.look(connection)) === 'renewed') {
      connection.close()
      connection = (await connectOnce(url)).connection
    }
    keeper.watch(connection)
    return connection
  }
  return { connect, proofOf: mode === 'direct' || tls ? undefined : body => keeper.proofOf(body) }
}
