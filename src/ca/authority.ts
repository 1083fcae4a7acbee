import { createHash, createPrivateKey, X509Certificate } from 'node:crypto'
import { chmodSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { writeDurably } from '../buffer/durable-file.ts'
import type { Journal } from '../log/log.ts'
import type { Clock } from '../runtime/clock.ts'
import { makeFolder } from '../runtime/durable-folder.ts'
import { HeadraceError } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import type { TokenBuckets } from '../runtime/token-bucket.ts'
import { FILE, halfAnAuthority, read, readIssuing, readKey, understood, write } from './authority-files.ts'
import { type KeyPair, keyOfRequest, newAuthority, newRoot, newServer, signGateway } from './certificates.ts'
import { checkGivenIssuer } from './given-issuer.ts'
import { checkedHosts } from './hosts.ts'
import { issueRate } from './issue-rate.ts'
import { fingerprintOf } from './pem.ts'
import { type CertificateRow, Register } from './register.ts'
import type { EntryOf, RegisterEntry } from './register-entries.ts'
import { SharedRegister } from './shared-register.ts'
import { encodeToken, hashOf, newSecret } from './token.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const ROOT_LIFE_MS = 20 * 365 * DAY_MS
const ISSUING_LIFE_MS = 5 * 365 * DAY_MS
const SERVER_LIFE_MS = 365 * DAY_MS
/** Of its life so much has passed when a certificate is renewed. */
export const RENEWED_AFTER = 2 / 3

export interface AuthorityOptions {
  readonly folder: string
  readonly clock: Clock
  /** How long a gateway's certificate is good, ms. */
  readonly lifeMs: number
  /** How long after its end it is still good for being renewed, ms. */
  readonly graceMs: number
}

/** An answer to a gateway that asks for a certificate. */
export type Issued = { readonly chain: string; readonly root: string } | { readonly refused: string; readonly advice: string }

/**
 * An authority for plants without internet: a root that may be kept elsewhere once it has signed the issuing key, an issuing key that signs what
 * gateways and cores show, and a register of all that was issued. What is not in the register, or revoked there, does not come in.
 */
export class Authority {
  readonly #options: AuthorityOptions
  readonly #register: Register
  readonly #issuing: KeyPair
  readonly #rate: TokenBuckets
  #shared: SharedRegister | undefined
  readonly root: X509Certificate

  private constructor(options: AuthorityOptions) {
    const { folder } = options
    this.#options = options
    this.#issuing = readIssuing(folder)
    this.#rate = issueRate(options.lifeMs, options.clock)
    this.root = understood(folder, FILE.root, () => new X509Certificate(read(folder, FILE.root)))
    this.#register = understood(folder, FILE.register, () => new Register(join(folder, FILE.register)))
  }

  /** Makes one in a folder. Throws `config_invalid` where there is one. */
  static async init(
    folder: string,
    clock: Clock,
    what: { name: string; hosts: readonly string[]; from?: KeyPair },
  ): Promise<void> {
    refuseWhereOneIs(folder)
    // Before anything is made: half an authority is in the way of a whole one.
    checkedHosts(what.hosts)
    const nowMs = clock.wallMs()
    const given = what.from && checkGivenIssuer(what.from, nowMs)
    makeFolder(folder, 0o700)
    chmodSync(folder, 0o700)
    if (given) {
      // Its own root stays where it is: this one signs under it.
      write(folder, FILE.issuing, given.chain)
      write(folder, FILE.issuingKey, given.key)
      write(folder, FILE.root, given.root)
    } else {
      const root = await newRoot(`${what.name} root`, { nowMs, lifeMs: ROOT_LIFE_MS })
      write(folder, FILE.rootKey, root.key)
      write(folder, FILE.root, root.chain)
      await newIssuing(folder, what.name, root, nowMs)
    }
    new Register(join(folder, FILE.register)).close()
    await Authority.newServer(folder, clock, what.hosts)
  }

  /** A new issuing key, signed by the root, for the one that ends. Gateways that came under the old one still come in. */
  static async renewIssuing(folder: string, clock: Clock, rootKey: string): Promise<void> {
    const root = checkGivenIssuer({ chain: read(folder, FILE.root), key: rootKey }, clock.wallMs())
    const name = new X509Certificate(root.chain).subject.replace(/^CN=/, '').replace(/ root$/, '')
    await newIssuing(folder, name, root, clock.wallMs())
  }

  /** The certificate under which the core is called at these names and addresses; under `out`, one for a router or broker. */
  static async newServer(
    folder: string,
    clock: Clock,
    hosts: readonly string[],
    out?: string,
  ): Promise<{ cert: string; key: string }> {
    const server = await newServer(
      readIssuing(folder),
      checkedHosts(hosts),
      { nowMs: clock.wallMs(), lifeMs: SERVER_LIFE_MS },
      out === undefined ? 'server' : 'both',
    )
    const files =
      out === undefined
        ? { cert: join(folder, FILE.server), key: join(folder, FILE.serverKey) }
        : { cert: `${out}.crt`, key: `${out}.key` }
    writeDurably(files.key, server.key)
    // With the root: a gateway that enrols knows it by its fingerprint alone.
    writeDurably(files.cert, server.chain + read(folder, FILE.root))
    return files
  }

  /** The folder of another core of the plant: the same root and issuing key, a certificate of its own. Throws `config_invalid` where there is one. */
  static async newMember(folder: string, clock: Clock, hosts: readonly string[], out: string): Promise<void> {
    refuseWhereOneIs(out)
    checkedHosts(hosts)
    const issuing = readIssuing(folder)
    makeFolder(out, 0o700)
    chmodSync(out, 0o700)
    write(out, FILE.issuing, issuing.chain)
    write(out, FILE.issuingKey, issuing.key)
    write(out, FILE.root, read(folder, FILE.root))
    await Authority.newServer(out, clock, hosts)
  }

  /** Throws `config_unreadable` where there is none, or a key may be read by others. */
  static open(options: AuthorityOptions): Authority {
    return new Authority(options)
  }

  close(): void {
    this.#register.close()
  }

  /** From here on the register is one with those of all cores at this journal. Rejects with `log_unavailable`. */
  async share(journal: Journal, logger: Logger): Promise<void> {
    const shared = new SharedRegister({ register: this.#register, journal, root: fingerprintOf(this.root), logger })
    await shared.sync()
    this.#shared = shared
  }

  /** Says what other cores do not know, and hears what they said; resolves with whether what was heard since the last time changed anything. Rejects with `log_unavailable`. */
  async sync(): Promise<boolean> {
    return (await this.#shared?.sync()) ?? false
  }

  /** Whether other cores are to hear of what happens here, at the latest when this core runs. */
  get isShared(): boolean {
    return this.#register.position !== undefined
  }

  /** Whether something was done here that other cores do not know of. */
  get hasUnsaid(): boolean {
    return this.#register.unsent() !== undefined
  }

  /** What a listener needs. */
  get server(): { cert: string; key: string; ca: string } {
    const { folder } = this.#options
    return { cert: read(folder, FILE.server), key: readKey(folder, FILE.serverKey), ca: this.root.toString() }
  }

  /** Makes the core's certificate anew, under the same names, when two thirds of its life are over. Resolves with whether it did. */
  async renewServer(): Promise<boolean> {
    const { folder, clock } = this.#options
    const leaf = understood(folder, FILE.server, () => new X509Certificate(read(folder, FILE.server)))
    // Key and certificate are two files: a crash between them left two that do not fit.
    const key = readKey(folder, FILE.serverKey)
    const fits = leaf.checkPrivateKey(understood(folder, FILE.serverKey, () => createPrivateKey(key)))
    if (fits && !isDue(leaf, clock.wallMs())) return false
    // It would have ended before it begins; that the issuing certificate ends is told long before.
    if (this.#hasEnded) return false
    await Authority.newServer(folder, clock, hostsOf(leaf))
    return true
  }

  /** When the issuing key's certificate ends, ms since 1970. */
  get endsMs(): number {
    return new X509Certificate(this.#issuing.chain).validToDate.getTime()
  }

  get #hasEnded(): boolean {
    return this.endsMs <= this.#options.clock.wallMs()
  }

  /** A token that lets one key be enrolled under a gateway's name. */
  newToken(gateway: string, forMs: number, urls: readonly string[]): string {
    const secret = newSecret()
    const atMs = this.#options.clock.wallMs()
    this.#register.intend({ kind: 'token', hash: hashOf(secret), gateway, expiresMs: atMs + forMs, atMs })
    return encodeToken({ gateway, secret, root: fingerprintOf(this.root), urls })
  }

  /** Enrols. A repeat with the same key is answered like the first: its answer may have been lost. */
  async enroll(gateway: string, secret: string, request: string): Promise<Issued> {
    const key = await keyOfRequest(request)
    const token = hashOf(secret)
    const atMs = this.#options.clock.wallMs()
    const tooMany = this.#tooMany(gateway, token)
    if (tooMany) return tooMany
    if (!(await this.#write({ kind: 'use', hash: token, gateway, key: hashOf(key), atMs }))) {
      return {
        refused: `the token is not one for ${gateway}, is used up, or too old`,
        advice: `Make another: headrace ca token --gateway ${gateway}`,
      }
    }
    return this.#issueWithin(token, gateway, key, { token, key: hashOf(key) })
  }

  /** Renews, for whoever proved that it holds the key of `certificate`. */
  async renew(certificate: X509Certificate, request: string): Promise<Issued> {
    const { clock, graceMs } = this.#options
    const row = this.#register.find(fingerprintOf(certificate))
    const advice = 'Enrol this gateway again, with a token from `headrace ca token`.'
    if (!row) return { refused: 'this certificate was not issued here', advice }
    if (row.state !== 'allowed') return { refused: `${row.gateway} was revoked`, advice }
    if (certificate.validToDate.getTime() + graceMs < clock.wallMs())
      return { refused: `its certificate ended on ${certificate.validTo}, and the grace for renewing it is over`, advice }
    return this.#issueWithin(row.gateway, row.gateway, await keyOfRequest(request), { certificate: row.fingerprint })
  }

  /** Whether a certificate is to be renewed now. */
  isDue(certificate: X509Certificate): boolean {
    return isDue(certificate, this.#options.clock.wallMs())
  }

  /** What the register says of a certificate; undefined where it was not issued here. */
  find(fingerprint: string): CertificateRow | undefined {
    return this.#register.find(fingerprint)
  }

  list(): CertificateRow[] {
    return this.#register.list()
  }

  /** How many tokens of a gateway are good. */
  goodTokens(gateway: string): number {
    return this.#register.goodTokens(gateway, this.#options.clock.wallMs())
  }

  /** All certificates and tokens of a gateway. The number of certificates that changed. */
  revoke(gateway: string): number {
    return this.#register.intend({ kind: 'state', gateway, state: 'revoked', atMs: this.#options.clock.wallMs() })
  }

  allow(gateway: string): number {
    return this.#register.intend({ kind: 'state', gateway, state: 'allowed', atMs: this.#options.clock.wallMs() })
  }

  /** Counts what others did to the register. */
  get version(): number {
    return this.#register.version
  }

  /** Whether the gateway was ever enrolled here. */
  knows(gateway: string): boolean {
    return this.#register.knows(gateway)
  }

  /** Notes a session that the gateway proved; resolves with the newest one known where that is not below it. Rejects with `log_unavailable`. */
  async enterSession(gateway: string, session: number): Promise<number | undefined> {
    return (await this.#write({ kind: 'session', gateway, session })) ? undefined : this.#register.newestSession(gateway)
  }

  /** What an asker is told who was given so many that it has to wait. */
  #tooMany(gateway: string, asker: string): Issued | undefined {
    const waitMs = this.#rate.inMs(asker, 1)
    if (waitMs === 0) return undefined
    return {
      refused: `${gateway} was given many certificates of late: the next one in ${Math.ceil(waitMs / MINUTE_MS)} min`,
      advice:
        'On a bad line nothing has to be done: a gateway asks again by itself. Otherwise look whether somebody else has its key or its token: `headrace ca list`.',
    }
  }

  /** Issues, and counts it for whoever asked, from the moment on in which it begins. */
  async #issueWithin(asker: string, gateway: string, key: string, by: EntryOf<'certificate'>['by']): Promise<Issued> {
    const tooMany = this.#tooMany(gateway, asker)
    if (tooMany) return tooMany
    this.#rate.spend(asker, 1)
    try {
      return await this.#issue(gateway, key, by)
    } catch (cause) {
      // It was not given after all.
      this.#rate.spend(asker, -1)
      throw cause
    }
  }

  async #issue(gateway: string, key: string, by: EntryOf<'certificate'>['by']): Promise<Issued> {
    const { clock, lifeMs } = this.#options
    const nowMs = clock.wallMs()
    if (this.#hasEnded) {
      return {
        refused: `the issuing certificate of the authority ended on ${new Date(this.endsMs).toISOString()}`,
        advice: 'On the core: headrace ca renew --root-key FILE, then a restart. Gateways come in again by themselves.',
      }
    }
    const chain = await signGateway(this.#issuing, gateway, key, { nowMs, lifeMs })
    const leaf = new X509Certificate(chain)
    const row = { fingerprint: fingerprintOf(leaf), gateway, issuedMs: nowMs, endsMs: leaf.validToDate.getTime() }
    // Somebody may have sent the gateway away meanwhile, at another core.
    if (!(await this.#write({ kind: 'certificate', ...row, by }))) {
      return {
        refused: `${gateway} was revoked`,
        advice: `Make a token if it is to come in again: headrace ca token --gateway ${gateway}`,
      }
    }
    return { chain, root: this.root.toString() }
  }

  /** Whether the entry counts. */
  async #write(entry: RegisterEntry): Promise<boolean> {
    return this.#shared ? this.#shared.write(entry) : this.#register.intend(entry) > 0
  }
}

function refuseWhereOneIs(folder: string): void {
  const half = halfAnAuthority(folder)
  if (half) throw new HeadraceError('config_invalid', half.message, { advice: half.advice })
  if (!existsSync(join(folder, FILE.issuing))) return
  throw new HeadraceError('config_invalid', `${folder} holds an authority`, {
    advice: 'Gateways trust that one: keep it, or name another folder.',
  })
}

async function newIssuing(folder: string, name: string, root: KeyPair, nowMs: number): Promise<void> {
  const issuing = await newAuthority(
    root,
    `${name} issuing ${createHash('sha256').update(String(nowMs)).digest('hex').slice(0, 8)}`,
    {
      nowMs,
      lifeMs: ISSUING_LIFE_MS,
    },
  )
  write(folder, FILE.issuingKey, issuing.key)
  write(folder, FILE.issuing, issuing.chain)
}

/** Also where it was made while this clock was ahead: nobody is let in with it before it begins. */
function isDue(certificate: X509Certificate, nowMs: number): boolean {
  const from = certificate.validFromDate.getTime()
  return nowMs < from || nowMs >= from + (certificate.validToDate.getTime() - from) * RENEWED_AFTER
}

/** `DNS:core.example, IP Address:10.0.0.1` → names and addresses. */
function hostsOf(certificate: X509Certificate): string[] {
  return (certificate.subjectAltName ?? '').split(', ').map(entry => entry.replace(/^(DNS|IP Address):/, ''))
}
