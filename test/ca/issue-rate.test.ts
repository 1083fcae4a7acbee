import type { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { Authority, type Issued } from '../../src/ca/authority.ts'
import { newKey, newRequest } from '../../src/ca/certificates.ts'
import { certificatesIn } from '../../src/ca/pem.ts'
import { decodeToken } from '../../src/ca/token.ts'
import { HeadraceError } from '../../src/runtime/errors.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { MemoryJournal } from '../support/memory-journal.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const ends: (() => void)[] = []

afterEach(() => {
  for (const end of ends.splice(0).reverse()) end()
})

async function authorityOf(lifeMs = 90 * DAY_MS) {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-rate-'))
  const clock = new SimulatedClock()
  await Authority.init(join(folder, 'ca'), clock, { name: 'Plant', hosts: ['127.0.0.1'] })
  const authority = Authority.open({ folder: join(folder, 'ca'), clock, lifeMs, graceMs: DAY_MS })
  ends.push(
    () => rmSync(folder, { recursive: true }),
    () => authority.close(),
  )
  return { authority, clock }
}

const request = async () => newRequest(await newKey(), 'gw-1')

function taken(issued: Issued): X509Certificate {
  if ('refused' in issued) throw new Error(issued.refused)
  return certificatesIn(issued.chain)[0] as X509Certificate
}

async function enrolled(authority: Authority, gateway = 'gw-1'): Promise<X509Certificate> {
  const { secret } = decodeToken(authority.newToken(gateway, 3_600_000, []))
  return taken(await authority.enroll(gateway, secret, await request()))
}

/** Asks until it is refused, at most so often; what it was told then. */
async function askedUntilRefused(ask: () => Promise<Issued>, most = 60) {
  for (let given = 0; given < most; given++) {
    const issued = await ask()
    if ('refused' in issued) return { given, ...issued }
  }
  throw new Error(`${most} were given`)
}

test('a gateway that asks for certificates without end gets a few, and is told when to come again; others are not kept waiting', async () => {
  const { authority, clock } = await authorityOf()
  const [certificate, other] = [await enrolled(authority), await enrolled(authority, 'gw-2')]
  const own = await request()
  const { given, refused, advice } = await askedUntilRefused(() => authority.renew(certificate, own))
  expect(given).toBeGreaterThan(8)
  expect(refused).toBe('gw-1 was given many certificates of late: the next one in 10 min')
  expect(advice).toContain('asks again by itself')
  taken(await authority.renew(other, own))
  await clock.pass(10 * MINUTE_MS)
  const next = taken(await authority.renew(certificate, own))
  // Another certificate of the same gateway is no way round it.
  expect(await authority.renew(next, own)).toHaveProperty('refused')
})

test('what is asked at once does not get past the limit', async () => {
  const { authority } = await authorityOf()
  const certificate = await enrolled(authority)
  const own = await request()
  const all = await Promise.all(Array.from({ length: 40 }, () => authority.renew(certificate, own)))
  expect(all.filter(issued => 'chain' in issued).length).toBeLessThan(20)
})

test.each([30 * MINUTE_MS, DAY_MS, 90 * DAY_MS])(
  'a gateway that renews in time, and loses half of the answers, is never refused: life %i ms',
  async lifeMs => {
    const { authority, clock } = await authorityOf(lifeMs)
    let certificate = await enrolled(authority)
    const own = await request()
    for (let renewals = 0; renewals < 8; renewals++) {
      await clock.pass((lifeMs * 2) / 3)
      taken(await authority.renew(certificate, own))
      certificate = taken(await authority.renew(certificate, own))
    }
  },
)

test('a log that was away counts against nobody', async () => {
  const { authority } = await authorityOf()
  const journal = new MemoryJournal()
  await authority.share(journal, silentLogger)
  const certificate = await enrolled(authority)
  const own = await request()
  journal.away = true
  for (let tries = 0; tries < 30; tries++) await expect(authority.renew(certificate, own)).rejects.toThrow(HeadraceError)
  journal.away = false
  taken(await authority.renew(certificate, own))
})

test('a token whose bearer enrols without end gives a few certificates', async () => {
  const { authority } = await authorityOf()
  const { secret } = decodeToken(authority.newToken('gw-1', 3_600_000, []))
  const own = await request()
  const { refused } = await askedUntilRefused(() => authority.enroll('gw-1', secret, own))
  expect(refused).toContain('certificates of late')
  // Whoever has the key of a gateway keeps it from no new beginning.
  await enrolled(authority)
})
