/** What a peer says of why it ends a handshake (RFC 8446, 6.2), in words for whoever has to mend it; by the name of the alert. */
const SAID_BY_THE_PEER: Readonly<Record<string, string>> = {
  CERTIFICATE_REQUIRED: 'it asks for a certificate, and none was shown',
  UNKNOWN_CA: 'it does not know the authority that signed the certificate shown here',
  CERTIFICATE_UNKNOWN: 'it does not take the certificate shown here: it has ended, or another authority signed it',
  BAD_CERTIFICATE: 'it does not take the certificate shown here: none was shown, or another authority signed it',
  DECRYPT_ERROR: 'it does not take the certificate shown here',
  UNSUPPORTED_CERTIFICATE: 'the certificate shown here is not for what it is used for',
  CERTIFICATE_EXPIRED: 'the certificate shown here has ended, by its clock',
  CERTIFICATE_REVOKED: 'the certificate shown here was revoked',
  ACCESS_DENIED: 'it does not let in whom the certificate shown here names',
  HANDSHAKE_FAILURE: 'it wants a certificate that was not shown, or speaks TLS in another way',
  PROTOCOL_VERSION: 'it speaks another version of TLS',
}
/** OpenSSL's names of alerts begin with the version of TLS in which they came up, which have changed between its versions. */
const ALERT = /^ERR_SSL_(?:SSLV3|TLSV1|TLSV13|SSL\/TLS)_ALERT_/

const NOT_TRUSTED = 'its certificate does not come from an authority that is trusted here'
/** What OpenSSL (X509_V_ERR names) and Node find here. */
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
  const said = ALERT.test(code) ? SAID_BY_THE_PEER[code.replace(ALERT, '')] : undefined
  if (said !== undefined) return { what: said, by: 'peer' }
  const found = FOUND_HERE[code]
  if (found !== undefined) return { what: found, by: 'us' }
  // Whatever else OpenSSL says is still no fault of the network.
  return code.startsWith('ERR_SSL_')
    ? { what: `TLS does not come about: ${code.slice('ERR_SSL_'.length).toLowerCase()}`, by: 'peer' }
    : undefined
}
