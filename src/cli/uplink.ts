import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Connection } from '../amqp/amqp.ts'
import { dial } from '../amqp/dial.ts'
import type { GatewayIdentity } from '../ca/gateway-identity.ts'
import { IdentityKeeper } from '../ca/identity-keeper.ts'
import { wrongServer } from '../ca/peer-chain.ts'
import { certificatesIn, nameOf } from '../ca/pem.ts'
import type { EdgeConfig } from '../config/edge.ts'
import type { ProofOf } from '../link/opening-channel.ts'
import { uplinkUrls } from '../link/options.ts'
import { SHOWS_NOTHING, type ShownAs } from '../link/refusals.ts'
import type { Alarms } from '../runtime/alarms.ts'
import { systemClock } from '../runtime/clock.ts'
import { HeadraceError, messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import { readTlsMaterial } from '../runtime/tls-files.ts'
import { readLogin } from './login.ts'

/** What `headrace enroll` got for a gateway. */
export function identityPath(state: string): string {
  return join(state, 'edge', 'identity.pem')
}

/** How a gateway reaches its core: the addresses of the uplink in turn, with the certificates that edge.yaml names, or those it enrolled for. */
export function createUplink(
  config: EdgeConfig,
  log: Logger,
  alarms: Alarms,
): { connect: (attempt: number) => Promise<Connection>; proofOf: ProofOf | undefined; shownAs: () => ShownAs } {
  const urls = uplinkUrls(config.uplink)
  const { tls, sasl, mode, renew_at: renewAt } = config.uplink
  const containerId = `${config.gateway}@${hostname()}`
  const keeper = new IdentityKeeper({
    path: identityPath(config.state),
    mode,
    clock: systemClock,
    random: Math.random,
    log,
    alarms,
  })
  let shown: ShownAs = SHOWS_NOTHING
  const dialWith = (url: string, identity: GatewayIdentity, showing: 'its certificate' | 'nothing') =>
    dial({
      url,
      containerId,
      tls: { ca: identity.root.toString(), ...(showing === 'its certificate' && { cert: identity.chain, key: identity.key }) },
      wrongPeer: wrongServer(identity),
      ...(sasl && showing === 'its certificate' && { user: readLogin(sasl) }),
      clock: systemClock,
      log,
    })
  const connectOnce = async (url: string) => {
    // Read anew each time: certificates are renewed while the process runs.
    const identity = tls || !url.startsWith('amqps:') ? undefined : keeper.current()
    if (identity) shown = { by: 'certificate', name: identity.gateway }
    // Nobody would let it in, and not everybody would say why.
    if (identity && identity.gateway !== config.gateway) {
      throw new HeadraceError('link_refused', `${url} was not tried: ${identityPath(config.state)} is not of this gateway.`)
    }
    if (identity) return { connection: await dialWith(url, identity, 'its certificate'), enrolled: true }
    const material = tls && readTlsMaterial(tls)
    const login = sasl && { user: readLogin(sasl) }
    shown = login ? { by: 'login', name: login.user.name } : showing(material?.cert)
    const connection = await dial({ url, containerId, ...(material && { tls: material }), ...login, clock: systemClock, log })
    return { connection, enrolled: false }
  }
  /** Routers and brokers let nobody in whose certificate has ended, whatever the core would say: it is asked by another door. */
  const renewApart = async () => {
    const identity = mode === 'direct' || tls ? undefined : keeper.current()
    if (!identity) return
    keeper.tellIfEnded(renewAt)
    if (renewAt === undefined) return
    try {
      const connection = await dialWith(renewAt, identity, 'nothing')
      await keeper.look(connection)
      connection.close()
    } catch (cause) {
      log.info({ url: renewAt, reason: messageOf(cause) }, 'nobody says there whether the certificate is to be renewed')
    }
  }
  let failures = 0
  const connect = async (attempt: number) => {
    const url = urls[attempt % urls.length]
    if (url === undefined) throw new HeadraceError('internal', 'the uplink has no address')
    let { connection, enrolled } = await connectOnce(url).catch(async cause => {
      failures += 1
      if (failures % urls.length === 0) await renewApart()
      throw cause
    })
    failures = 0
    if (!enrolled) return connection
    keeper.comesIn()
    // With a certificate that has ended nothing else is open than its renewal.
    if ((await keeper.look(connection)) === 'renewed') {
      connection.close()
      connection = (await connectOnce(url)).connection
    }
    keeper.watch(connection)
    return connection
  }
  return { connect, proofOf: mode === 'direct' || tls ? undefined : body => keeper.proofOf(body), shownAs: () => shown }
}

function showing(cert: string | undefined): ShownAs {
  const [leaf] = certificatesIn(cert ?? '')
  return leaf ? { by: 'certificate', name: nameOf(leaf) } : SHOWS_NOTHING
}
