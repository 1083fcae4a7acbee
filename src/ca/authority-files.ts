import { createPrivateKey, X509Certificate } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { writeDurably } from '../buffer/durable-file.ts'
import { fileReasonOf, HeadraceError, messageOf } from '../runtime/errors.ts'
import type { KeyPair } from './certificates.ts'

/** The files of an authority's folder. */
export const FILE = {
  root: 'root.crt',
  rootKey: 'root.key',
  issuing: 'issuing.crt',
  issuingKey: 'issuing.key',
  server: 'server.crt',
  serverKey: 'server.key',
  register: 'register.db',
} as const

/** Without one of these an authority is not whole: the root's key may be elsewhere, and a register begins empty. */
const NEEDED = [FILE.root, FILE.issuing, FILE.issuingKey, FILE.server, FILE.serverKey]

/** What is wrong where only some of the files are there; undefined where there is none, or all are. */
export function halfAnAuthority(folder: string): { readonly message: string; readonly advice: string } | undefined {
  const missing = NEEDED.filter(file => !existsSync(join(folder, file)))
  if (missing.length === 0 || missing.length === NEEDED.length) return undefined
  return {
    message: `${folder} holds half an authority: it lacks ${missing.join(', ')}`,
    advice:
      'Where the command that made it was interrupted, nobody knows it: delete the folder, and say the command again. Where gateways trust it, take what is missing from a copy.',
  }
}

/** The issuing key and its certificate. Under one of another key nobody would be let in whose certificate was made from then on, the core itself among them. */
export function readIssuing(folder: string): KeyPair {
  const pair = { chain: read(folder, FILE.issuing), key: readKey(folder, FILE.issuingKey) }
  const certificate = understood(folder, FILE.issuing, () => new X509Certificate(pair.chain))
  const key = understood(folder, FILE.issuingKey, () => createPrivateKey(pair.key))
  if (certificate.checkPrivateKey(key)) return pair
  throw new HeadraceError('config_unreadable', `${join(folder, FILE.issuingKey)} does not belong to ${FILE.issuing} beside it`, {
    advice: 'Copy both from where they were made, or make both anew: headrace ca renew --root-key FILE.',
  })
}

/** Says which file it is that cannot be understood. */
export function understood<Result>(folder: string, file: string, read: () => Result): Result {
  try {
    return read()
  } catch (cause) {
    if (cause instanceof HeadraceError) throw cause
    throw new HeadraceError('config_unreadable', `${join(folder, file)} cannot be used: ${messageOf(cause)}`, {
      advice:
        'Take this file from a copy of the authority\'s folder; without one, see docs/security.md, "The core\'s disk is lost".',
      cause,
    })
  }
}

export function write(folder: string, file: string, content: string): void {
  writeDurably(join(folder, file), content)
}

export function read(folder: string, file: string): string {
  const path = join(folder, file)
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      const { message, advice } = halfAnAuthority(folder) ?? {
        message: `there is no ${path}`,
        advice: 'Make the authority with `headrace ca init`, or name its folder.',
      }
      throw new HeadraceError('config_unreadable', message, { advice, cause })
    }
    throw new HeadraceError('config_unreadable', `${path} cannot be read: ${fileReasonOf(cause)}`, {
      advice: `The folder has to be that of the user as whom the core runs: chown -R USER: ${folder}.`,
      cause,
    })
  }
}

export function readKey(folder: string, file: string): string {
  const key = read(folder, file)
  const mode = statSync(join(folder, file)).mode & 0o077
  if (mode !== 0) {
    throw new HeadraceError('config_unreadable', `${join(folder, file)} may be read by others than its owner`, {
      advice: `chmod 600 ${join(folder, file)}, and think of who has read it.`,
    })
  }
  return key
}
