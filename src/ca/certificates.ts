import 'reflect-metadata'
import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, webcrypto, X509Certificate } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import { HeadraceError, messageOf } from '../runtime/errors.ts'

/** RFC 5280, 4.1.2.2: at most 20 bytes, and positive. */
const SERIAL_BYTES = 16
/** A request has 300 bytes. */
export const REQUEST_BYTES_MAX = 8 * 1024
/** What a certificate is valid from, before it is made, ms: clocks of one plant differ by so much. */
const BACKDATED_MS = 5 * 60_000
/** RFC 7468, 3 and 7. The library's own pattern takes time without bounds over what strangers may send. */
const REQUEST =
  /^\s*-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----([A-Za-z0-9+/=\s]+)-----END (?:NEW )?CERTIFICATE REQUEST-----\s*$/
const RSA_BITS_MIN = 2_048
const CURVES: Readonly<Record<string, 'P-256' | 'P-384'>> = { prime256v1: 'P-256', secp384r1: 'P-384' }

/** A certificate with the key that belongs to it, both PEM; `chain` also holds those above it, without the root. */
export interface KeyPair {
  readonly key: string
  readonly chain: string
}

export interface Validity {
  readonly nowMs: number
  readonly lifeMs: number
}

/** Makes a key of P-256, PEM (PKCS #8). */
export async function newKey(): Promise<string> {
  const { privateKey } = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
  return exportKey(privateKey)
}

/** A request for a certificate of that name, PEM (PKCS #10); its signature proves that the asker holds the key. */
export async function newRequest(key: string, name: string): Promise<string> {
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: `CN=${name}`,
    keys: await pairOf(createPrivateKey(key)),
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
  })
  return request.toString('pem')
}

/** The public key of a request (SPKI, PEM). Throws `config_invalid` where it is none, is not proven, or its key is too weak. */
export async function keyOfRequest(request: string): Promise<string> {
  try {
    if (request.length > REQUEST_BYTES_MAX) throw new Error('it is too long')
    const base64 = REQUEST.exec(request)?.[1]
    if (base64 === undefined) throw new Error('it is no PEM of a request (PKCS #10)')
    const parsed = new x509.Pkcs10CertificateRequest(Buffer.from(base64, 'base64'))
    if (!(await parsed.verify())) throw new Error('its signature does not fit its key')
    const key = createPublicKey({ key: Buffer.from(parsed.publicKey.rawData), format: 'der', type: 'spki' })
    algorithmOf(key)
    return key.export({ type: 'spki', format: 'pem' }).toString()
  } catch (cause) {
    throw new HeadraceError('config_invalid', `the request for a certificate is refused: ${messageOf(cause)}`, {
      advice: 'Let `headrace enroll` make it.',
      cause,
    })
  }
}

/** A root: signs itself, and authorities below it. */
export async function newRoot(name: string, validity: Validity): Promise<KeyPair> {
  const key = await newKey()
  const keys = await pairOf(createPrivateKey(key))
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    ...common(validity),
    name: `CN=${name}`,
    keys,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: [...authorityExtensions(1), await x509.SubjectKeyIdentifierExtension.create(keys.publicKey)],
  })
  return { key, chain: pem(certificate) }
}

/** An authority below `issuer`, which signs what gateways and cores show. */
export async function newAuthority(issuer: KeyPair, name: string, validity: Validity): Promise<KeyPair> {
  const key = await newKey()
  const publicKey = publicPem(key)
  return { key, chain: await sign(issuer, { name, publicKey, validity, extensions: authorityExtensions(0), isRoot: true }) }
}

/** What a gateway shows. */
export function signGateway(issuer: KeyPair, name: string, publicKey: string, validity: Validity): Promise<string> {
  return sign(issuer, { name, publicKey, validity, extensions: leafExtensions([x509.ExtendedKeyUsage.clientAuth]) })
}

/** What a core shows under these names and addresses; a router, or a core that connects to one, shows it where it is the client as well. */
export async function newServer(
  issuer: KeyPair,
  hosts: readonly string[],
  validity: Validity,
  shownAs: 'server' | 'both',
): Promise<KeyPair> {
  const key = await newKey()
  const names = hosts.map(value => ({ type: isAddress(value) ? ('ip' as const) : ('dns' as const), value }))
  const { serverAuth, clientAuth } = x509.ExtendedKeyUsage
  const purposes = shownAs === 'server' ? [serverAuth] : [serverAuth, clientAuth]
  const extensions = [...leafExtensions(purposes), new x509.SubjectAlternativeNameExtension(names)]
  return { key, chain: await sign(issuer, { name: hosts[0] ?? 'core', publicKey: publicPem(key), validity, extensions }) }
}

interface Signed {
  readonly name: string
  readonly publicKey: string
  readonly validity: Validity
  readonly extensions: readonly x509.Extension[]
  /** The issuer is the root: it is left out of the chain. */
  readonly isRoot?: true
}

async function sign(issuer: KeyPair, { name, publicKey, validity, extensions, isRoot }: Signed): Promise<string> {
  const by = new X509Certificate(issuer.chain)
  const signingKey = createPrivateKey(issuer.key)
  const algorithm = algorithmOf(createPublicKey(signingKey))
  const subjectKey = createPublicKey(publicKey)
  const certificate = await x509.X509CertificateGenerator.create({
    ...common({ ...validity, lifeMs: Math.min(validity.lifeMs, by.validToDate.getTime() - validity.nowMs) }),
    subject: `CN=${name}`,
    issuer: new x509.X509Certificate(by.raw).subjectName,
    publicKey: await webcrypto.subtle.importKey(
      'spki',
      subjectKey.export({ type: 'spki', format: 'der' }),
      algorithmOf(subjectKey),
      true,
      ['verify'],
    ),
    signingKey: await webcrypto.subtle.importKey('pkcs8', signingKey.export({ type: 'pkcs8', format: 'der' }), algorithm, false, [
      'sign',
    ]),
    signingAlgorithm: algorithm,
    extensions: [...extensions, await x509.AuthorityKeyIdentifierExtension.create(new x509.X509Certificate(by.raw))],
  })
  return isRoot ? pem(certificate) : `${pem(certificate)}${issuer.chain}`
}

function common({ nowMs, lifeMs }: Validity) {
  return {
    // The first bit is 0: a serial is positive.
    serialNumber: Buffer.concat([Buffer.from([0x01]), randomBytes(SERIAL_BYTES - 1)]).toString('hex'),
    notBefore: new Date(nowMs - BACKDATED_MS),
    notAfter: new Date(nowMs + lifeMs),
  }
}

function authorityExtensions(pathLength: number): x509.Extension[] {
  return [
    new x509.BasicConstraintsExtension(true, pathLength, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
  ]
}

function leafExtensions(purposes: x509.ExtendedKeyUsage[]): x509.Extension[] {
  return [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension(purposes),
  ]
}

/** How a key, public or private, signs: ECDSA on P-256 or P-384, or RSA of an authority that was there before. Throws on every other. */
export function algorithmOf(key: KeyObject) {
  const { namedCurve = '', modulusLength = 0 } = key.asymmetricKeyDetails ?? {}
  const curve = CURVES[namedCurve]
  if (key.asymmetricKeyType === 'ec' && curve)
    return { name: 'ECDSA', namedCurve: curve, hash: curve === 'P-256' ? 'SHA-256' : 'SHA-384' }
  if (key.asymmetricKeyType === 'rsa' && modulusLength >= RSA_BITS_MIN) return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
  throw new Error(
    `a key of ${key.asymmetricKeyType} ${namedCurve || modulusLength} is not taken: P-256, P-384, or RSA of ${RSA_BITS_MIN} bits`,
  )
}

async function pairOf(key: KeyObject) {
  const algorithm = algorithmOf(createPublicKey(key))
  const privateKey = await webcrypto.subtle.importKey('pkcs8', key.export({ type: 'pkcs8', format: 'der' }), algorithm, true, [
    'sign',
  ])
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' })
  return { privateKey, publicKey: await webcrypto.subtle.importKey('spki', spki, algorithm, true, ['verify']) }
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key))
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ type: 'pkcs8', format: 'pem' }).toString()
}

function publicPem(key: string): string {
  return createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString()
}

function pem(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem')}\n`
}

function isAddress(host: string): boolean {
  return /^[\d.]+$/.test(host) || host.includes(':')
}
