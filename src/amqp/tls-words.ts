/** What OpenSSL and Node say of TLS, in words for whoever has to mend it. By `code` of the error that a socket gives. */
const SAID_BY_THE_PEER: Readonly<Record<string, string>> = {
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'it asks for a certificate, and none was shown',
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: 'it does not know the authority that signed the certificate shown here',
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    'it does not take the certificate shown here: it has ended, or another authority signed it',
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: 'it does not take the certificate shown here',
  ERR_SSL_TLSV1_ALERT_DECRYPT_ERROR: 'it does not take the certificate shown here',
  ERR_SSL_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE: 'the certificate shown here is not for what it is used for',
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: 'the certificate shown here has ended, by its clock',
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED: 'the certificate shown here was revoked',
  ERR_SSL_TLSV1_ALERT_ACCESS_DENIED: 'it does not let in whom the certificate shown here names',
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: 'it wants a certificate that was not shown, or speaks TLS in another way',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'it speaks another version of TLS',
}

const NOT_TRUSTED = 'its certificate does not come from an authority that is trusted here'
const FOUND_HERE: Readonly<Record<string, string>> = {
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: NOT_TRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: NOT_TRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: NOT_TRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: NOT_TRUSTED,
  DEPTH_ZERO_SELF_SIGNED_CERT: NOT_TRUSTED,
  CERT_SIGNATURE_FAILURE: NOT_TRUSTED,
  INVALID_PURPOSE: 'its certificate is not one for a server',
  CERT_HAS_EXPIRED: "its certificate has ended, by this machine's clock",
  CERT_NOT_YET_VALID: "its certificate is not good yet, by this machine's clock",
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS there',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it does not speak TLS there',
}

/** Who refused whom in a handshake, and why; undefined where the error is none of TLS. */
export function tlsRefusal(error: Error): { readonly what: string; readonly by: 'peer' | 'us' } | undefined {
  const code = String((error as NodeJS.ErrnoException).code)
  // Node's own words name the names that were compared.
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return { what: `its certificate is for others: ${error.message}`, by: 'us' }
  const said = SAID_BY_THE_PEER[code]
  if (said !== undefined) return { what: said, by: 'peer' }
  const found = FOUND_HERE[code]
  if (found !== undefined) return { what: found, by: 'us' }
  // Whatever else OpenSSL says is still no fault of the network.
  return code.startsWith('ERR_SSL_')
    ? { what: `TLS does not come about: ${code.slice('ERR_SSL_'.length).toLowerCase()}`, by: 'peer' }
    : undefined
}
