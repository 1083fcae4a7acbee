import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../hardware/simulators/free-port.ts'
import type { Connection } from '../../src/amqp/amqp.ts'
import { type DialOptions, dial } from '../../src/amqp/dial.ts'
import { listen } from '../../src/amqp/listen.ts'
import { Authority } from '../../src/ca/authority.ts'
import { newKey } from '../../src/ca/certificates.ts'
import { IdentityDesk } from '../../src/ca/desk.ts'
import { wrongFirstServer } from '../../src/ca/peer-chain.ts'
import { askToEnroll } from '../../src/ca/renewal.ts'
import { decodeToken } from '../../src/ca/token.ts'
import { identityRule } from '../../src/ingress/identity.ts'
import { Ingress } from '../../src/ingress/ingress.ts'
import { openSqliteLog } from '../../src/log/sqlite/sqlite-log.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { type Clock, systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { RELEASED_MS } from '../../src/runtime/released.ts'
import { issueTo } from '../support/issued.ts'

export const DAY_MS = 86_400_000
export const AT = { address: 'headrace/identity' } as const

/** An authority with a clock of its own, and a core behind real TLS. */
export class Plant {
  readonly folder = mkdtempSync(join(tmpdir(), 'headrace-ca-'))
  readonly #ends: (() => unknown)[] = []
  authority!: Authority
  desk!: IdentityDesk
  url = ''
  /** What the core's clock says more than this machine's, ms. */
  aheadMs = 0
  readonly clock: Clock = { ...systemClock, wallMs: () => systemClock.wallMs() + this.aheadMs }

  static async make(options: { lifeMs?: number; graceMs?: number; aheadMs?: number } = {}): Promise<Plant> {
    const plant = new Plant()
    const { lifeMs = 90 * DAY_MS, graceMs = 365 * DAY_MS, aheadMs = 0 } = options
    plant.aheadMs = aheadMs
    await Authority.init(plant.folder, plant.clock, { name: 'Plant', hosts: ['127.0.0.1'] })
    plant.authority = Authority.open({ folder: plant.folder, clock: plant.clock, lifeMs, graceMs })
    plant.desk = new IdentityDesk(plant.authority, plant.clock, silentLogger)
    plant.#ends.push(
      () => plant.desk.end(),
      () => plant.authority.close(),
    )
    return plant
  }

  async startCore(): Promise<this> {
    const log = await openSqliteLog({ path: join(this.folder, 'log.db'), clock: systemClock })
    const url = `amqps://127.0.0.1:${await freePort()}`
    const tls = this.authority.server
    const options = { url, containerId: 'core-1', tls, strangers: 'admitted' as const, clock: systemClock, log: silentLogger }
    const ingress = new Ingress({
      name: 'core-1',
      log,
      listen: handlers => listen(options, handlers),
      mayWrite: identityRule('required'),
      identities: this.desk,
      clock: systemClock,
      random: () => 0.5,
      logger: silentLogger,
      alarms: new Alarms(systemClock),
    })
    await ingress.start()
    this.url = url
    this.#ends.unshift(
      () => ingress.stop(),
      () => log.close(),
    )
    return this
  }

  token(gateway = 'gw-1', forMs = 3_600_000) {
    return decodeToken(this.authority.newToken(gateway, forMs, []))
  }

  async dial(more: Partial<DialOptions> = {}): Promise<Connection> {
    const connection = await dial({ url: this.url, containerId: 'gw-1', clock: systemClock, log: silentLogger, ...more })
    this.#ends.unshift(() => connection.destroy())
    return connection
  }

  /** As `headrace enroll` does it: the content of the gateway's identity file. */
  async enroll(token = this.token(), key?: string, floorMs = RELEASED_MS): Promise<string> {
    const connection = await this.dial({ wrongPeer: wrongFirstServer(token.root, floorMs) })
    return askToEnroll({ connection, clock: systemClock, at: AT }, token, key ?? (await newKey()))
  }

  /** Enrols a gateway without a connection, into an identity file at `path`. */
  issue(gateway: string, path: string): Promise<void> {
    return issueTo(this.authority, gateway, path)
  }

  async end(): Promise<void> {
    for (const end of this.#ends.splice(0)) await end()
    rmSync(this.folder, { recursive: true })
  }
}
