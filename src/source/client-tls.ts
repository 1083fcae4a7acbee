import { X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { z } from 'zod'
import { HeadraceError, messageOf } from '../runtime/errors.ts'
import { readNamedFile } from '../runtime/named-file.ts'
import { pathsWithin } from './source.ts'

/** RFC 7468: what begins so is the certificate itself, and no path. */
const PEM_BEGINS = '-----BEGIN '
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g
const isPem = (text: string) => text.trimStart().startsWith(PEM_BEGINS)

/** `tls:` of a source that connects somewhere. */
export const clientTlsOptions = z
  .strictObject({
    ca: z
      .string()
      .min(1)
      .superRefine((text, context) => {
        const message = isPem(text) ? wrongAuthorities(text) : undefined
        if (message !== undefined) context.addIssue({ code: 'custom', message })
      })
      .optional()
      .describe(
        'Which authorities are trusted, and no others: a file with their certificates, or these themselves (PEM). A certificate that nobody has signed can stand here itself. The public authorities, unless set.',
      ),
    cert: z.string().min(1).optional().describe('File with the certificate of this client.'),
    key: z.string().min(1).optional().describe('File with its key.'),
    server_name: z
      .string()
      .min(1)
      .max(253)
      .optional()
      .describe('The name that the certificate of the other end has to show, where it is not that of the address.'),
  })
  .refine(({ cert, key }) => (cert === undefined) === (key === undefined), 'needs both `cert` and `key`, or neither')
export type ClientTlsOptions = z.output<typeof clientTlsOptions>

/** What Node's TLS takes of them. */
export interface ClientTls {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly servername?: string
}

/** The options with paths from `folder`. */
export function tlsWithin(options: ClientTlsOptions, folder: string): ClientTlsOptions {
  const named = pathsWithin(options, folder, 'ca', 'cert', 'key')
  return options.ca !== undefined && isPem(options.ca) ? { ...named, ca: options.ca } : named
}

/** Reads what is named, anew each time: certificates are renewed while the process runs. Throws `source_failed`, which says what cannot be used. */
export function readClientTls({ ca, cert, key, server_name }: ClientTlsOptions = {}): ClientTls {
  const authorities = ca === undefined || isPem(ca) ? ca : readNamedFile('authorities', ca, 'source_failed')
  const wrong = authorities === undefined ? undefined : wrongAuthorities(authorities)
  if (wrong !== undefined) throw new HeadraceError('source_failed', `tls.ca: ${ca} ${wrong}`)
  const own =
    cert !== undefined && key !== undefined
      ? { cert: readNamedFile('certificate', cert, 'source_failed'), key: readNamedFile('key', key, 'source_failed') }
      : {}
  try {
    createSecureContext(own)
  } catch (cause) {
    throw new HeadraceError('source_failed', `tls.cert ${cert} and tls.key ${key} cannot be used: ${messageOf(cause)}`, { cause })
  }
  return {
    ...(authorities !== undefined && { ca: authorities }),
    ...own,
    ...(server_name !== undefined && { servername: server_name }),
  }
}

function wrongAuthorities(text: string): string | undefined {
  const certificates = text.match(PEM_CERTIFICATE)
  if (!certificates) return 'holds no certificate (PEM)'
  try {
    for (const each of certificates) new X509Certificate(each)
    return undefined
  } catch (error) {
    return `holds a certificate that cannot be read: ${messageOf(error)}`
  }
}

/** By Node's names, which are those of OpenSSL's X509_V_ERR (Node documentation, "TLS", "X509 certificate error codes"). */
const UNKNOWN_AUTHORITY = [
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
]
/** In OpenSSL's words: what came first was no record of TLS. */
const NO_TLS = /wrong version number|packet length too long|http request/
/** Alerts by which a server refuses who shows no certificate, or one that it does not know (RFC 8446, 6.2). */
const WANTS_CERTIFICATE =
  /ALERT_(?:CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNKNOWN_CA|CERTIFICATE_UNKNOWN|HANDSHAKE_FAILURE|ACCESS_DENIED)/

/** Why a connection failed, with what to do where it is TLS that refused it. `wallMs` is this gateway's clock, by which certificates are judged. */
export function whyRefused(error: unknown, tls: ClientTlsOptions | undefined, wallMs: number): string {
  const code = String((error as { code?: unknown } | undefined)?.code)
  const clock = new Date(wallMs).toISOString()
  if (code === 'CERT_HAS_EXPIRED')
    return `its certificate has ended, or that of its authority: by this gateway's clock it is ${clock}`
  if (code === 'CERT_NOT_YET_VALID') return `its certificate is not valid yet: by this gateway's clock it is ${clock}`
  if (code === 'DEPTH_ZERO_SELF_SIGNED_CERT')
    return `its certificate is signed by nobody else${tls?.ca === undefined ? ': where that is right, name it in `tls.ca`' : ', and is not the one in `tls.ca`'}`
  if (UNKNOWN_AUTHORITY.includes(code))
    return `its certificate comes from an authority that is not ${tls?.ca === undefined ? 'a public one: name it in `tls.ca`' : 'the one in `tls.ca`'} (${code})`
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `its certificate is for another name: ${messageOf(error)}; use a name that it has, or say one of them as \`tls.server_name\``
  if (NO_TLS.test(messageOf(error))) return 'it does not speak TLS there'
  if (WANTS_CERTIFICATE.test(code))
    return `it refuses ${tls?.cert === undefined ? 'who shows no certificate: name one in `tls.cert` and `tls.key`' : 'the certificate in `tls.cert`'} (${code})`
  return messageOf(error)
}
