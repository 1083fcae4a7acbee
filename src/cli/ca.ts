import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Authority } from '../ca/authority.ts'
import { fingerprintOf } from '../ca/pem.ts'
import { ConfigDocument } from '../config/document.ts'
import { coreOf } from '../config/load.ts'
import { control } from '../console/control-client.ts'
import { type Clock, systemClock } from '../runtime/clock.ts'
import { HeadraceError } from '../runtime/errors.ts'
import { authorityFolder } from './authority.ts'
import type { CaWhere } from './commands/ca.ts'
import { readGiven } from './given-file.ts'
import { giveToOwnerOf } from './service-owner.ts'
import { controlPath } from './state-paths.ts'

/** Whether other cores, which share the register, know what was done: there are none; they do; or they hear of it when the log can be reached. */
export type Others = 'alone' | 'told' | 'later'

/** What of the options does not matter where nothing is issued. */
const NOTHING_ISSUED = { lifeMs: 0, graceMs: 0 }

interface Place {
  readonly folder: string
  /** State directory of the core; undefined where only the folder was named. */
  readonly state: string | undefined
}

function placeOf({ config: file, folder }: CaWhere): Place {
  if (file === undefined && folder === undefined) {
    throw new HeadraceError('config_invalid', 'it is not said where the authority is', {
      advice: 'Name core.yaml with --config, or its folder with --folder.',
    })
  }
  const config = file === undefined ? undefined : coreOf(ConfigDocument.read(file))
  return { folder: folder ?? authorityFolder(config ?? { state: '' }), state: config?.state }
}

function withAuthority<Result>(where: CaWhere, act: (authority: Authority) => Result): Result {
  const authority = Authority.open({ folder: placeOf(where).folder, clock: systemClock, ...NOTHING_ISSUED })
  try {
    return act(authority)
  } finally {
    authority.close()
  }
}

export async function initAuthority(
  options: CaWhere & { host: string[]; name: string; issuerCert?: string; issuerKey?: string },
): Promise<{ folder: string; root: string; root_key: string | null }> {
  const { folder, state } = placeOf(options)
  const { host: hosts, name, issuerCert, issuerKey } = options
  if ((issuerCert === undefined) !== (issuerKey === undefined)) {
    throw new HeadraceError('config_invalid', '--issuer-cert and --issuer-key go together')
  }
  const from =
    issuerCert !== undefined && issuerKey !== undefined
      ? { from: { chain: readGiven('--issuer-cert', issuerCert), key: readGiven('--issuer-key', issuerKey) } }
      : {}
  await Authority.init(folder, systemClock, { name, hosts, ...from })
  giveToOwnerOf(state !== undefined && existsSync(state) ? state : dirname(folder), filesIn(folder))
  const rootKey = join(folder, 'root.key')
  const root = withAuthority({ folder }, authority => fingerprintOf(authority.root))
  return { folder, root, root_key: existsSync(rootKey) ? rootKey : null }
}

export async function newToken(
  where: CaWhere,
  gateway: string,
  forMs: number,
  urls: readonly string[],
): Promise<{ gateway: string; token: string; others: Others }> {
  const token = withAuthority(where, authority => authority.newToken(gateway, forMs, urls))
  return { gateway, token, others: await tellOthers(where) }
}

/** As a person asks: one that has ended comes in no more, though nobody revoked it. */
export function listCertificates(where: CaWhere, clock: Pick<Clock, 'wallMs'> = systemClock) {
  const nowMs = clock.wallMs()
  return withAuthority(where, authority =>
    authority.list().map(({ gateway, state, issuedMs, endsMs, fingerprint }) => ({
      gateway,
      state: state === 'allowed' && endsMs <= nowMs ? ('ended' as const) : state,
      issued: new Date(issuedMs).toISOString(),
      ends: new Date(endsMs).toISOString(),
      fingerprint,
    })),
  )
}

/** Also tells the core that runs here, so that open links are closed at once; it looks by itself every second. */
export async function setState(
  where: CaWhere,
  gateway: string,
  state: 'allowed' | 'revoked',
): Promise<{ gateway: string; state: string; changed: number; tokens: number; told: boolean; others: Others }> {
  const done = withAuthority(where, authority => {
    const tokens = state === 'revoked' ? authority.goodTokens(gateway) : 0
    if (!authority.knows(gateway) && tokens === 0) {
      throw new HeadraceError('not_found', `no certificate was ever issued for ${gateway}, and no token is good for it`, {
        advice: 'See `headrace ca list` for those that were.',
      })
    }
    return { changed: state === 'revoked' ? authority.revoke(gateway) : authority.allow(gateway), tokens }
  })
  const heard = await tellCore(placeOf(where).state)
  return { gateway, state, ...done, told: heard !== undefined, others: heard ?? unheard(where) }
}

async function tellOthers(where: CaWhere): Promise<Others> {
  return (await tellCore(placeOf(where).state)) ?? unheard(where)
}

/** The core does not run here: where others share its register, they hear when it does. */
function unheard(where: CaWhere): Others {
  return withAuthority(where, authority => (authority.isShared ? 'later' : 'alone'))
}

/** What the running core says; undefined where none runs. */
async function tellCore(state: string | undefined): Promise<Others | undefined> {
  const path = state === undefined ? undefined : controlPath(state, 'core')
  if (path === undefined || !existsSync(path)) return undefined
  try {
    return (await control<{ others: Others }>(path, 'ca.changed', {})).others
  } catch (error) {
    if (error instanceof HeadraceError && ['not_running', 'timeout', 'link_lost'].includes(error.code)) return undefined
    throw error
  }
}

/** The folder for another core of the same plant. */
export async function newMember(where: CaWhere, hosts: readonly string[], out: string): Promise<{ folder: string }> {
  await Authority.newMember(placeOf(where).folder, systemClock, hosts, out)
  return { folder: out }
}

export async function newServer(
  where: CaWhere,
  hosts: readonly string[],
  out: string | undefined,
): Promise<{ cert: string; key: string }> {
  const { folder } = placeOf(where)
  const files = await Authority.newServer(folder, systemClock, hosts, out)
  if (out === undefined) giveToOwnerOf(folder, filesIn(folder))
  return files
}

export async function renewIssuing(where: CaWhere, rootKey: string): Promise<{ folder: string }> {
  const { folder } = placeOf(where)
  await Authority.renewIssuing(folder, systemClock, readGiven('--root-key', rootKey))
  giveToOwnerOf(folder, filesIn(folder))
  return { folder }
}

/** A folder, and all that lies in it. */
function filesIn(folder: string): string[] {
  return [folder, ...readdirSync(folder).map(file => join(folder, file))]
}
