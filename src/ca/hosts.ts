import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'
import { HeadraceError } from '../runtime/errors.ts'

const LABEL = '[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?'
const NAME = new RegExp(`^(\\*\\.)?(${LABEL}\\.)*${LABEL}\\.?$`, 'i')
/** Whoever calls it takes that for an address. */
const LIKE_AN_ADDRESS = /^[\d.]+$/

/** Names and addresses as certificates have them. Throws `config_invalid` for what can be called by nobody. */
export function checkedHosts(hosts: readonly string[]): string[] {
  return hosts.map(host => {
    if (isIP(host)) return host
    const name = domainToASCII(host)
    if (NAME.test(name) && !LIKE_AN_ADDRESS.test(host)) return name
    throw new HeadraceError('config_invalid', `--host ${JSON.stringify(host)} is neither a name nor an address`, {
      advice: 'Write it as gateways call it, without port: core.example, or 10.0.0.1.',
    })
  })
}
