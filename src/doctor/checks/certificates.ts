import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { messageOf } from '../../runtime/errors.ts'
import { error, type Finding, ok, warning } from '../finding.ts'

const CHECK = 'certificate'
const DAY_MS = 86_400_000
const RENEW_DAYS = 30
const ANYBODY = 0o004

export interface CertificateFiles {
  readonly cert?: string | undefined
  readonly key?: string | undefined
  readonly ca?: string | undefined
}

/** Files that can be read, a key that fits, and days that are left; `name`: whose certificate it has to be. */
export function checkCertificates(files: CertificateFiles, nowMs: number, name?: string): Finding[] {
  const { cert, key, ca } = files
  const findings: Finding[] = []
  if (ca !== undefined) findings.push(...read(ca, file => lifetime(file, nowMs)))
  if (cert !== undefined) findings.push(...read(cert, file => [...lifetime(file, nowMs), ...belongs(file, name)]))
  if (key !== undefined) findings.push(...read(key, file => keyOf(file, cert)))
  return findings
}

/** The certificate that a gateway was enrolled for, which renews itself over its link. */
export function checkIdentity(
  file: string,
  nowMs: number,
  { gateway, mode, renewAt }: { gateway: string; mode: 'direct' | 'router' | 'broker'; renewAt: string | undefined },
): Finding[] {
  return read(file, () => {
    const { validToDate } = new X509Certificate(readFileSync(file))
    const until = validToDate.toISOString()
    const named = belongs(file, gateway)
    if (validToDate.getTime() > nowMs) return [...named, ok(CHECK, `${file} is good until ${until}, and renews itself`)]
    const ended = `${file} ended on ${until}`
    if (mode === 'direct' || renewAt !== undefined)
      return [
        ...named,
        warning(CHECK, ended, `It is renewed at ${renewAt ?? 'the next connection'} if the grace of the core is not over.`),
      ]
    return [
      ...named,
      error(
        CHECK,
        `${ended}: a ${mode} lets nobody in with it`,
        'Name in uplink.renew_at where it can be renewed, connect once to the core itself, or enrol this gateway again.',
      ),
    ]
  })
}

function read(file: string, look: (file: string) => Finding[]): Finding[] {
  try {
    return look(file)
  } catch (cause) {
    return [
      error(
        CHECK,
        `${file} cannot be used: ${messageOf(cause)}`,
        'Correct `tls:`, or put a PEM file there that this user may read.',
      ),
    ]
  }
}

function lifetime(file: string, nowMs: number): Finding[] {
  const { validFromDate, validToDate } = new X509Certificate(readFileSync(file))
  const days = Math.floor((validToDate.getTime() - nowMs) / DAY_MS)
  const until = validToDate.toISOString().slice(0, 10)
  if (nowMs < validFromDate.getTime())
    return [error(CHECK, `${file} is not valid before ${validFromDate.toISOString()}`, 'Look at the clock of this machine.')]
  if (days < 0)
    return [error(CHECK, `${file} was valid until ${until}`, 'Renew it: it is read at the next connection, without a restart.')]
  if (days < RENEW_DAYS) return [warning(CHECK, `${file} is valid until ${until}, ${days} more days`, 'Renew it soon.')]
  return [ok(CHECK, `${file} is valid until ${until}, ${days} more days`)]
}

function belongs(file: string, name: string | undefined): Finding[] {
  const found = /^CN=(.*)$/m.exec(new X509Certificate(readFileSync(file)).subject)?.[1]
  if (name === undefined || found === name) return []
  return [
    error(
      CHECK,
      `${file} is of ${found ?? 'nobody'}, this gateway is ${name}`,
      `Have a certificate made whose name (CN) is ${name}.`,
    ),
  ]
}

function keyOf(file: string, cert: string | undefined): Finding[] {
  const key = createPrivateKey(readFileSync(file))
  if (cert !== undefined && !new X509Certificate(readFileSync(cert)).checkPrivateKey(key))
    return [error(CHECK, `${file} does not belong to ${cert}`, 'Name the key with which the certificate was made.')]
  if (statSync(file).mode & ANYBODY)
    return [warning(CHECK, `${file} may be read by anybody on this machine`, `Take that away: chmod o-r ${file}`)]
  return [ok(CHECK, `${file} belongs to its certificate`)]
}
