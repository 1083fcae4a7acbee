import type { Authority } from '../../src/ca/authority.ts'
import { newKey, newRequest } from '../../src/ca/certificates.ts'
import { takeIssued, writeIdentity } from '../../src/ca/gateway-identity.ts'
import { fingerprintOf } from '../../src/ca/pem.ts'
import { decodeToken } from '../../src/ca/token.ts'

const TOKEN_FOR_MS = 3_600_000

/** Enrols a gateway without a connection, into an identity file at `path`. */
export async function issueTo(authority: Authority, gateway: string, path: string): Promise<void> {
  const key = await newKey()
  const { secret } = decodeToken(authority.newToken(gateway, TOKEN_FOR_MS, []))
  const issued = await authority.enroll(gateway, secret, await newRequest(key, gateway))
  if ('refused' in issued) throw new Error(issued.refused)
  writeIdentity(path, takeIssued(issued, { gateway, key, root: fingerprintOf(authority.root) }))
}
