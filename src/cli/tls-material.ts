import { readFileSync } from 'node:fs'
import { HeadraceError, messageOf } from '../runtime/errors.ts'

export interface TlsFiles {
  readonly cert?: string | undefined
  readonly key?: string | undefined
  readonly ca?: string | undefined
}

/** The contents of the files that are named. Throws `config_unreadable` with the file that cannot be read. */
export function readTlsMaterial(files: TlsFiles): { cert?: Buffer; key?: Buffer; ca?: Buffer } {
  const { cert, key, ca } = files
  return {
    ...(cert !== undefined && { cert: read('certificate', cert) }),
    ...(key !== undefined && { key: read('key', key) }),
    ...(ca !== undefined && { ca: read('authorities', ca) }),
  }
}

/** A name and the password in its file's first line. Throws `config_unreadable` where that cannot be read. */
export function readLogin(sasl: { readonly username: string; readonly password_file: string }): {
  name: string
  password: string
} {
  const password = read('password', sasl.password_file).toString('utf8').split('\n')[0] ?? ''
  return { name: sasl.username, password }
}

function read(what: string, file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (cause) {
    throw new HeadraceError('config_unreadable', `${file} (${what}) cannot be read: ${messageOf(cause)}`, {
      advice: 'Look at `tls:` and `sasl:` in the configuration, and at who may read the file.',
      cause,
    })
  }
}
