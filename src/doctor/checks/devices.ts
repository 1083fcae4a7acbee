import { accessSync, constants, statSync } from 'node:fs'
import { connect } from 'node:net'
import { messageOf } from '../../runtime/errors.ts'
import { error, type Finding, ok, warning } from '../finding.ts'

const CHECK = 'device'
const CONNECT_LIMIT_MS = 3_000

/** A port or an address that a source reads. */
export interface Resource {
  readonly source: string
  /** A path, or host:port. */
  readonly name: string
}

export async function checkDevices(resources: readonly Resource[]): Promise<Finding[]> {
  return Promise.all(resources.map(each => (each.name.startsWith('/') ? deviceFile(each) : address(each))))
}

function deviceFile({ source, name }: Resource): Finding {
  try {
    if (!statSync(name).isCharacterDevice())
      return error(CHECK, `${source}: ${name} is no device`, 'Correct `path` in the pipeline.')
  } catch (cause) {
    return error(
      CHECK,
      `${source}: ${name} is not there (${messageOf(cause)})`,
      'Plug it in, or correct `path`; `ls -l /dev/serial/by-id` shows what is there. It is opened by itself once it comes.',
    )
  }
  try {
    accessSync(name, constants.R_OK | constants.W_OK)
  } catch {
    return error(
      CHECK,
      `${source}: this user may not read and write ${name}`,
      'Add the user that Headrace runs as to the group of the device: usermod -aG dialout USER, then start it again.',
    )
  }
  const lasting = name.startsWith('/dev/serial/by-id/') || name.startsWith('/dev/serial/by-path/') || !/ttyUSB|ttyACM/.test(name)
  return lasting
    ? ok(CHECK, `${source}: ${name} is there and may be used`)
    : warning(CHECK, `${source}: ${name} may be another device after the next start`, 'Use its path in /dev/serial/by-id.')
}

function address({ source, name }: Resource): Promise<Finding> {
  const at = name.lastIndexOf(':')
  return new Promise(resolve => {
    const socket = connect({ host: name.slice(0, at), port: Number(name.slice(at + 1)) })
    const end = (finding: Finding) => {
      socket.destroy()
      resolve(finding)
    }
    const away = (why: string) =>
      error(CHECK, `${source}: ${name} cannot be reached (${why})`, 'Look at the device, its address and the network between.')
    socket.setTimeout(CONNECT_LIMIT_MS, () => end(away('no answer')))
    socket.once('connect', () => end(ok(CHECK, `${source}: ${name} can be reached`)))
    socket.once('error', cause => end(away(cause.message)))
  })
}
