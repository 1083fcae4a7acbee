import type { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'

/** RFC 5280, 4.2.1.12. */
const PURPOSE = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' } as const

export interface ChainRule {
  /** The authority that everything has to come from. */
  readonly root: X509Certificate
  readonly purpose: keyof typeof PURPOSE
  /** Name or address under which the peer was called; absent where it has none. */
  readonly host?: string
  /** It is later than this, ms since 1970: whoever ended before it is refused. */
  readonly floorMs: number
}

/**
 * What is wrong with a chain of certificates, leaf first; undefined where nothing is. Judged without a clock: a gateway's may say 1970, or be ten
 * years ahead. In its place stands the latest moment that is known to have been, so that what ended before it is refused whatever the clock says.
 * Everything else is as strict as TLS is: signatures up to the root, who may sign, what for, under which name.
 */
export function wrongWithChain(chain: readonly X509Certificate[], rule: ChainRule): string | undefined {
  const [leaf] = chain
  if (!leaf) return 'it shows no certificate'
  const { root, purpose, host, floorMs } = rule
  if (leaf.ca) return 'its certificate is one of an authority'
  if (!leaf.keyUsage?.includes(PURPOSE[purpose])) return `its certificate is not one for a ${purpose}`
  if (host !== undefined && (isIP(host) ? leaf.checkIP(host) : leaf.checkHost(host)) === undefined)
    return `its certificate is for ${leaf.subjectAltName ?? leaf.subject}, not for ${host}`
  let at = leaf
  for (const issuer of [...chain.slice(1).filter(each => !each.raw.equals(root.raw)), root]) {
    if (!issuer.ca) return 'its certificate is signed by one that may not sign'
    if (!at.checkIssued(issuer) || !at.verify(issuer.publicKey))
      return issuer === root
        ? 'its certificate does not come from the authority that is trusted here'
        : 'its chain of certificates is broken'
    if (at.validToDate.getTime() < floorMs) return endedText(at)
    at = issuer
  }
  return root.validToDate.getTime() < floorMs ? endedText(root) : undefined
}

function endedText(certificate: X509Certificate): string {
  return `the certificate ${certificate.subject.replaceAll('\n', ', ')} ended on ${certificate.validTo}, and it is later than that`
}
