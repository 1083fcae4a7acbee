import { X509Certificate } from 'node:crypto'

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g
/** Certificates of one chain; ours has three. */
const CHAIN_MAX = 8

/** The certificates in a PEM text, in their order. Throws where one cannot be read. */
export function certificatesIn(pem: string): X509Certificate[] {
  return (pem.match(CERTIFICATE) ?? []).slice(0, CHAIN_MAX).map(text => new X509Certificate(text))
}

/** How a certificate is told from others: SHA-256 of its bytes, in base64url. */
export function fingerprintOf(certificate: X509Certificate): string {
  return Buffer.from(certificate.fingerprint256.replaceAll(':', ''), 'hex').toString('base64url')
}

/** The common name of a subject. */
export function nameOf(certificate: X509Certificate): string | undefined {
  return /^CN=(.+)$/m.exec(certificate.subject)?.[1]
}
