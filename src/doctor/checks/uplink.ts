import { type DialOptions, dial } from '../../amqp/dial.ts'
import type { Clock } from '../../runtime/clock.ts'
import { HeadraceError, messageOf } from '../../runtime/errors.ts'
import { silentLogger } from '../../runtime/logger.ts'
import { error, type Finding, ok, warning } from '../finding.ts'

const CHECK = 'core'
const ADVICE = {
  timeout: 'Something answers there that is no core, or a firewall swallows what is sent: look at the address and the network.',
  link_refused:
    'Look at `tls:` and `sasl:` here, and at the other end: the authorities of each have to have signed the certificate of the other.',
  link_lost: 'Look at the address, whether a core runs there, and the network between.',
}

const SHOWS_NOTHING =
  'Enrol this gateway: `headrace ca token` where the authority is, and `headrace enroll` here. Or name its certificate under uplink.tls.'

/** What a gateway shows, and how it knows the peer. */
export type Shown = Pick<DialOptions, 'tls' | 'wrongPeer' | 'user'>

/** Opens a connection to each address of the uplink, and closes it: no session is opened, so that a running gateway is not disturbed. */
export async function checkUplink(urls: readonly string[], shown: Shown, clock: Clock): Promise<Finding[]> {
  const findings = await Promise.all(urls.map(url => reach(url, shown, clock)))
  const plain = urls.filter(url => url.startsWith('amqp:') && !/^amqp:\/\/(127\.|localhost|\[::1\])/.test(url))
  if (plain.length > 0)
    findings.push(
      warning(
        CHECK,
        `${plain.join(', ')}: anybody on the way can read and write there`,
        'Use amqps:// with certificates on both sides.',
      ),
    )
  return findings
}

async function reach(url: string, shown: Shown, clock: Clock): Promise<Finding> {
  const from = clock.monotonicMs()
  try {
    const connection = await dial({ url, containerId: 'headrace-doctor', clock, log: silentLogger, ...shown })
    connection.close()
    return ok(CHECK, `${url} opened after ${Math.round(clock.monotonicMs() - from)} ms`)
  } catch (cause) {
    const code = cause instanceof HeadraceError ? cause.code : 'link_lost'
    if (code === 'link_refused' && !shown.tls && !shown.user) return error(CHECK, messageOf(cause), SHOWS_NOTHING)
    return error(CHECK, messageOf(cause), ADVICE[code as keyof typeof ADVICE] ?? ADVICE.link_lost)
  }
}
