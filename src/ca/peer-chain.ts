import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { wrongWithChain } from './chain.ts'
import { fingerprintOf } from './pem.ts'

/** Certificates that a peer may send. */
const SENT_MAX = 8
/** What the system's clock makes TLS say (OpenSSL's X509_V_ERR names): its word on that is not taken, see {@link wrongWithChain}. */
const CLOCK_ERRORS = ['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']

function chainOf(socket: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = []
  for (let at = socket.getPeerX509Certificate(); at && chain.length < SENT_MAX; at = at.issuerCertificate) {
    if (chain.at(-1)?.raw.equals(at.raw)) break
    chain.push(at)
  }
  return chain
}

/** For a gateway that is enrolled: what is wrong with the peer's certificate, whatever this machine's clock says. */
export function wrongServer(trusted: { root: X509Certificate; floorMs: number }) {
  return (socket: TLSSocket, host: string): string | undefined => {
    const error = socket.authorized ? undefined : String(socket.authorizationError)
    if (error !== undefined && !CLOCK_ERRORS.includes(error)) return `its certificate is refused: ${error}`
    return wrongWithChain(chainOf(socket), { ...trusted, purpose: 'server', host })
  }
}

/** For a gateway that knows nothing but the fingerprint of the root: the peer sends that, and everything has to come from it. */
export function wrongFirstServer(fingerprint: string, floorMs: number) {
  return (socket: TLSSocket, host: string): string | undefined => {
    const chain = chainOf(socket)
    const root = chain.find(each => fingerprintOf(each) === fingerprint)
    if (!root) return 'it does not come from the authority that the token names'
    return wrongWithChain(chain.slice(0, chain.indexOf(root)), { root, purpose: 'server', host, floorMs })
  }
}
