import { existsSync, readFileSync, rmSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { dial } from '../amqp/dial.ts'
import { newKey } from '../ca/certificates.ts'
import { readIdentity, writeIdentity } from '../ca/gateway-identity.ts'
import { wrongFirstServer } from '../ca/peer-chain.ts'
import { certificatesIn } from '../ca/pem.ts'
import { askToEnroll, questionAddress } from '../ca/renewal.ts'
import { decodeToken, type Token } from '../ca/token.ts'
import { ConfigDocument } from '../config/document.ts'
import { edgeOf } from '../config/load.ts'
import { uplinkUrls } from '../link/options.ts'
import { systemClock } from '../runtime/clock.ts'
import { makeFolder } from '../runtime/durable-folder.ts'
import { HeadraceError, messageOf } from '../runtime/errors.ts'
import { silentLogger } from '../runtime/logger.ts'
import { RELEASED_MS } from '../runtime/released.ts'
import { readGiven } from './given-file.ts'
import { giveToOwnerOf } from './service-owner.ts'
import { identityPath } from './uplink.ts'

/** A person waits, and may well be at a plant with a bad line, ms: a gateway that runs gives up sooner, and tries again by itself. */
const OPEN_LIMIT_MS = 20_000

type Mode = Parameters<typeof questionAddress>[0]

export interface EnrollOptions {
  readonly token?: string
  readonly tokenFile?: string
  readonly url?: string
  readonly config?: string
  readonly state?: string
}

export interface Enrolled {
  readonly gateway: string
  readonly url: string
  readonly file: string
  /** ISO 8601. */
  readonly good_until: string
}

/** Enrols this machine's gateway. Throws `config_invalid` for what is wrong with the arguments, else what the last address tried answered. */
export async function enroll(options: EnrollOptions, fromEnvironment: string | undefined): Promise<Enrolled> {
  const token = decodeToken(tokenText(options, fromEnvironment))
  const { state, urls, mode } = whereTo(options, token)
  const file = identityPath(state)
  const pending = `${file}.pending`
  // The answer may be lost: a token is good again for the key that it was used for, so that the key is kept until there is an answer.
  const key = existsSync(pending) ? readFileSync(pending, 'utf8') : await newKey()
  makeFolder(state, 0o750)
  writeIdentity(pending, key)
  let failure: unknown
  for (const url of urls) {
    try {
      writeIdentity(file, await askAt(url, token, key, mode))
      rmSync(pending)
      giveToOwnerOf(state, [dirname(file), file])
      const good = certificatesIn(readIdentity(file)?.chain ?? '')[0]?.validToDate
      return { gateway: token.gateway, url, file, good_until: good?.toISOString() ?? '' }
    } catch (cause) {
      failure = cause
    }
  }
  if (failure instanceof HeadraceError && failure.advice !== undefined) throw failure
  throw new HeadraceError('link_refused', messageOf(failure), {
    advice: 'Look whether the core runs there with `ca:` in its core.yaml, and can be reached. The token is still good.',
    cause: failure,
  })
}

async function askAt(url: string, token: Token, key: string, mode: Mode): Promise<string> {
  const connection = await dial({
    url,
    containerId: `${token.gateway}@${hostname()}`,
    wrongPeer: wrongFirstServer(token.root, RELEASED_MS),
    openLimitMs: OPEN_LIMIT_MS,
    clock: systemClock,
    log: silentLogger,
  })
  try {
    return await askToEnroll({ connection, clock: systemClock, at: questionAddress(mode) }, token, key)
  } finally {
    connection.close()
  }
}

function tokenText({ token, tokenFile }: EnrollOptions, fromEnvironment: string | undefined): string {
  if (token !== undefined) return token.trim()
  if (tokenFile !== undefined) return readGiven('--token-file', tokenFile).trim()
  if (fromEnvironment) return fromEnvironment.trim()
  throw new HeadraceError('config_invalid', 'there is no token', {
    advice:
      'Make one on the core with `headrace ca token --gateway NAME`, and hand it over with --token, --token-file or HEADRACE_ENROLL_TOKEN.',
  })
}

function whereTo(
  { url, config: file, state }: EnrollOptions,
  token: Token,
): { state: string; urls: readonly string[]; mode: Mode } {
  const config = file === undefined ? undefined : edgeOf(ConfigDocument.read(file))
  if (config && config.gateway !== token.gateway) {
    throw new HeadraceError('config_invalid', `${file}: this gateway is ${config.gateway}, the token is for ${token.gateway}`, {
      advice: `Write gateway: ${token.gateway}, or make a token for ${config.gateway}.`,
    })
  }
  const directory = state ?? config?.state
  if (directory === undefined) {
    throw new HeadraceError('config_invalid', 'it is not said where the certificate is kept', {
      advice: 'Name edge.yaml with --config, or the state directory with --state.',
    })
  }
  const apart = config?.uplink.renew_at
  const own = apart !== undefined ? [apart] : config ? uplinkUrls(config.uplink) : []
  const urls = url !== undefined ? [url] : token.urls.length > 0 ? token.urls : own
  const [first] = urls
  if (first === undefined || !urls.every(each => /^amqps:\/\/[^\s/?#@]+$/.test(each))) {
    throw new HeadraceError(
      'config_invalid',
      first === undefined ? 'it is not said where the core is' : 'the core has to be called with amqps',
      {
        advice: 'Write --url amqps://core.example:5671, without name and password.',
      },
    )
  }
  // Anywhere else it is the core itself that answers.
  const mode = apart !== undefined && urls.every(each => each === apart) ? (config?.uplink.mode ?? 'direct') : 'direct'
  return { state: directory, urls, mode }
}
