import { createPrivateKey, type KeyObject, type X509Certificate } from 'node:crypto'
import { HeadraceError, messageOf } from '../runtime/errors.ts'
import { algorithmOf, type KeyPair } from './certificates.ts'
import { certificatesIn } from './pem.ts'

/** An authority that was there before, fit to sign: everything PEM, the key PKCS #8, `chain` without the root, which `root` is. */
export interface GivenIssuer extends KeyPair {
  readonly root: string
}

/**
 * Checks an authority that somebody hands over, before anything is written: with one that cannot sign, or with the key of another, everything would be
 * made, and nobody would be let in. Throws `config_invalid` with what is wrong of RFC 5280, 4.2.1.3 and 4.2.1.9 and what to do.
 */
export function checkGivenIssuer({ chain: text, key: keyText }: KeyPair, nowMs: number): GivenIssuer {
  const chain = certificatesOf(text)
  const [issuer] = chain
  const root = chain.at(-1)
  if (!issuer || !root)
    refuse('there is no certificate in it (PEM)', 'Write the certificates as PEM: -----BEGIN CERTIFICATE-----.')
  const key = keyOf(keyText)
  if (!issuer.checkPrivateKey(key))
    refuse(
      `the key does not belong to the first certificate, ${nameIn(issuer)}`,
      'Name the key of the authority that is to sign; its certificate comes first.',
    )
  for (const [at, certificate] of chain.entries()) {
    const above = chain[at + 1] ?? certificate
    if (!certificate.ca) refuse(`${nameIn(certificate)} may not sign certificates`, 'It needs CA:TRUE in its basic constraints.')
    if (!certificate.checkIssued(above) || !certificate.verify(above.publicKey)) refuseLink(certificate, chain[at + 1])
    if (certificate.validToDate.getTime() <= nowMs) refuse(`${nameIn(certificate)} ended on ${certificate.validTo}`, 'Renew it.')
    if (certificate.validFromDate.getTime() > nowMs)
      refuse(`${nameIn(certificate)} is good from ${certificate.validFrom} on only`, 'Look at the clock.')
  }
  const below = chain.slice(0, -1).map(each => each.toString())
  return {
    chain: below.join('') || root.toString(),
    key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    root: root.toString(),
  }
}

function certificatesOf(text: string): X509Certificate[] {
  try {
    return certificatesIn(text)
  } catch (cause) {
    return refuse(`one of its certificates cannot be read: ${messageOf(cause)}`, 'Look at the file.')
  }
}

function keyOf(text: string): KeyObject {
  let key: KeyObject
  try {
    key = createPrivateKey(text)
  } catch (cause) {
    if (/ENCRYPTED/.test(text))
      refuse(
        'the key needs a password',
        'Write it without one, where nobody else may read: openssl pkey -in KEY -out ISSUER.key.',
      )
    return refuse(`the key cannot be read: ${messageOf(cause)}`, 'Name a private key as PEM.')
  }
  try {
    algorithmOf(key)
  } catch (cause) {
    refuse(messageOf(cause), 'Make an authority with such a key below yours, and hand that over.')
  }
  return key
}

function refuseLink(certificate: X509Certificate, above: X509Certificate | undefined): never {
  const advice = 'Write into one file: the certificate that belongs to the key, those above it, the root last.'
  if (above) refuse(`${nameIn(certificate)} is not signed by the next in the file, ${nameIn(above)}`, advice)
  return refuse('the chain does not end with a root that signs itself', advice)
}

function nameIn(certificate: X509Certificate): string {
  return certificate.subject.replaceAll('\n', ', ')
}

function refuse(what: string, advice: string): never {
  throw new HeadraceError('config_invalid', `the authority that was given cannot be used: ${what}`, { advice })
}
