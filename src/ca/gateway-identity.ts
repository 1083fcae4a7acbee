import { createPrivateKey, createPublicKey, type X509Certificate } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { writeDurably } from '../buffer/durable-file.ts'
import { makeFolder } from '../runtime/durable-folder.ts'
import { HeadraceError, messageOf } from '../runtime/errors.ts'
import { RELEASED_MS } from '../runtime/released.ts'
import { wrongWithChain } from './chain.ts'
import { certificatesIn, fingerprintOf, nameOf } from './pem.ts'

const KEY = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----\n?/

/**
 * Who a gateway is: its key, its certificate, and whom it trusts. One file, so that they change together:
 *
 *   key (PKCS #8), certificate, those above it, the root last; PEM, readable by its owner alone
 */
export interface GatewayIdentity {
  readonly gateway: string
  readonly key: string
  /** Leaf first, without the root. */
  readonly chain: string
  readonly root: X509Certificate
  /**
   * It is later than this, ms since 1970, whatever the clock says: this version was made before, and the core's clock said so when it signed the
   * certificate. Each renewal moves it on.
   */
  readonly floorMs: number
}

/** Undefined where the gateway is not enrolled. Throws `config_unreadable` where the file is damaged, or open to others. */
export function readIdentity(path: string): GatewayIdentity | undefined {
  if (!existsSync(path)) return undefined
  if ((statSync(path).mode & 0o077) !== 0) {
    throw new HeadraceError('config_unreadable', `${path} may be read by others than its owner`, {
      advice: `It holds this gateway's key: chmod 600 ${path}, and think of who has read it.`,
    })
  }
  try {
    const text = readFileSync(path, 'utf8')
    const key = KEY.exec(text)?.[0] ?? ''
    const certificates = certificatesIn(text)
    const [leaf] = certificates
    const root = certificates.at(-1)
    const gateway = leaf && nameOf(leaf)
    if (!leaf || !root || gateway === undefined || !leaf.checkPrivateKey(createPrivateKey(key)))
      throw new Error('key and certificate do not fit')
    const chain = certificates.slice(0, -1).map(String).join('')
    return { gateway, key, chain, root, floorMs: Math.max(RELEASED_MS, leaf.validFromDate.getTime()) }
  } catch (cause) {
    throw new HeadraceError('config_unreadable', `${path} is no identity of a gateway: ${messageOf(cause)}`, {
      advice: 'Enrol this gateway again, with a token from `headrace ca token`.',
      cause,
    })
  }
}

/** What came back for a request, put to the test: nothing is kept that would not be taken. Throws `link_refused`. */
export function takeIssued(
  issued: { chain: string; root: string },
  expected: { gateway: string; key: string; root: string },
): string {
  const refuse = (what: string): never => {
    throw new HeadraceError('link_refused', `the certificate that the core gave is refused: ${what}`, {
      advice: 'Something between gateway and core answers in its place, or the core has another authority than the token says.',
    })
  }
  const read = (pem: string) => {
    try {
      return certificatesIn(pem)
    } catch (cause) {
      return refuse(`it cannot be read (${messageOf(cause)})`)
    }
  }
  const [root] = read(issued.root)
  const chain = read(issued.chain)
  const [leaf] = chain
  if (!root || fingerprintOf(root) !== expected.root) return refuse('it does not come from the authority that is trusted here')
  const wrong = wrongWithChain(chain, { root, purpose: 'client', floorMs: 0 })
  if (wrong !== undefined) return refuse(wrong)
  if (!leaf || nameOf(leaf) !== expected.gateway) return refuse('it is for another name')
  const own = createPublicKey(expected.key).export({ type: 'spki', format: 'der' })
  if (!own.equals(leaf.publicKey.export({ type: 'spki', format: 'der' }))) return refuse('it is for another key')
  return (
    expected.key +
    chain
      .filter(each => !each.raw.equals(root.raw))
      .map(String)
      .join('') +
    root.toString()
  )
}

/** In the place of the one before, at once. */
export function writeIdentity(path: string, content: string): void {
  makeFolder(dirname(path), 0o750)
  writeDurably(path, content)
}
