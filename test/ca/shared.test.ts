import type { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { Authority } from '../../src/ca/authority.ts'
import { newKey, newRequest } from '../../src/ca/certificates.ts'
import { certificatesIn, fingerprintOf } from '../../src/ca/pem.ts'
import { Register } from '../../src/ca/register.ts'
import { SharedRegister } from '../../src/ca/shared-register.ts'
import { decodeToken } from '../../src/ca/token.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { MemoryJournal } from '../support/memory-journal.ts'
import { SeededRandom, seedOfRun } from '../support/random.ts'
import { DAY_MS } from './world.ts'

const ends: (() => void)[] = []
afterEach(() => {
  for (const end of ends.splice(0).reverse()) end()
})

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'headrace-shared-'))
  ends.push(() => rmSync(made, { recursive: true, force: true }))
  return made
}

/** Cores of one plant, each with a folder of its own, at one journal. */
async function cores(journal: MemoryJournal, count: number): Promise<Authority[]> {
  const first = folder()
  await Authority.init(first, systemClock, { name: 'Plant', hosts: ['core-0'] })
  const folders = [first]
  for (let index = 1; index < count; index++) {
    const other = join(folder(), 'ca')
    await Authority.newMember(first, systemClock, [`core-${index}`], other)
    folders.push(other)
  }
  return Promise.all(folders.map(each => opened(each, journal)))
}

async function opened(at: string, journal?: MemoryJournal): Promise<Authority> {
  const authority = Authority.open({ folder: at, clock: systemClock, lifeMs: 90 * DAY_MS, graceMs: DAY_MS })
  ends.push(() => authority.close())
  if (journal) await authority.share(journal, silentLogger)
  return authority
}

const tokenOf = (authority: Authority, gateway = 'gw-1') => decodeToken(authority.newToken(gateway, 3_600_000, []))

/** What the core gave, or why it gave nothing. */
async function enrolled(authority: Authority, token: ReturnType<typeof tokenOf>): Promise<X509Certificate> {
  const issued = await authority.enroll(token.gateway, token.secret, await newRequest(await newKey(), token.gateway))
  if ('refused' in issued) throw new Error(issued.refused)
  return certificatesIn(issued.chain)[0] as X509Certificate
}

const stateAt = (authority: Authority, certificate: X509Certificate) => authority.find(fingerprintOf(certificate))?.state

describe('cores that share a register', () => {
  test('enrol with tokens of each other, once', async () => {
    const [a, b, c] = await cores(new MemoryJournal(), 3)
    if (!a || !b || !c) throw new Error('no cores')
    const token = tokenOf(a)
    await a.sync()
    const asked = await Promise.allSettled([enrolled(b, token), enrolled(c, token)])
    expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    await a.sync()
    expect(a.list()).toHaveLength(1)
  })

  test('know at once of each other’s gateways, and who was sent away; one that is alone does not', async () => {
    const journal = new MemoryJournal()
    const [a, b] = await cores(journal, 2)
    if (!a || !b) throw new Error('no cores')
    const certificate = await enrolled(a, tokenOf(a))
    expect(await b.sync()).toBe(true)
    expect(stateAt(b, certificate)).toBe('allowed')
    a.revoke('gw-1')
    expect(a.hasUnsaid).toBe(true)
    expect(stateAt(b, certificate)).toBe('allowed')
    await a.sync()
    await b.sync()
    expect([a, b].map(each => stateAt(each, certificate))).toEqual(['revoked', 'revoked'])
    b.allow('gw-1')
    await b.sync()
    await a.sync()
    expect(stateAt(a, certificate)).toBe('allowed')
    const [alone] = await cores(new MemoryJournal(), 1)
    expect(alone && stateAt(alone, certificate)).toBeUndefined()
  })

  test('give no certificate to a gateway that another core sends away in the same moment', async () => {
    const journal = new MemoryJournal()
    const [a, b] = await cores(journal, 2)
    if (!a || !b) throw new Error('no cores')
    const old = await enrolled(a, tokenOf(a))
    await b.sync()
    // B has looked at its register and signed; A is first in the journal.
    journal.beforeAppend = async () => {
      journal.beforeAppend = async () => {}
      a.revoke('gw-1')
      await a.sync()
    }
    expect(await b.renew(old, await newRequest(await newKey(), 'gw-1'))).toMatchObject({ refused: 'gw-1 was revoked' })
    await a.sync()
    expect(a.list()).toHaveLength(1)
    expect(b.list()).toEqual(a.list())
  })

  test('agree on what was first: a token of one that came after the other had sent the gateway away', async () => {
    const [a, b] = await cores(new MemoryJournal(), 2)
    if (!a || !b) throw new Error('no cores')
    await enrolled(b, tokenOf(b))
    const token = tokenOf(a)
    b.revoke('gw-1')
    await b.sync()
    await a.sync()
    const certificate = await enrolled(b, token)
    await a.sync()
    expect([a, b].map(each => stateAt(each, certificate))).toEqual(['allowed', 'allowed'])
  })

  test('take a session that a gateway proved at one of them for an old one at all', async () => {
    const [a, b] = await cores(new MemoryJournal(), 2)
    if (!a || !b) throw new Error('no cores')
    expect(await a.enterSession('gw-1', 7)).toBeUndefined()
    expect(await b.enterSession('gw-1', 7)).toBe(7)
    expect(await Promise.all([a.enterSession('gw-1', 8), b.enterSession('gw-1', 8)])).toContain(8)
  })

  test('hear of a revocation also where they hear it while they say something themselves', async () => {
    const [a, b] = await cores(new MemoryJournal(), 2)
    if (!a || !b) throw new Error('no cores')
    const certificate = await enrolled(a, tokenOf(a))
    await b.sync()
    a.revoke('gw-1')
    await a.sync()
    expect(await b.enterSession('gw-2', 1)).toBeUndefined()
    expect(stateAt(b, certificate)).toBe('revoked')
    // Whoever is barred from now on is looked for when this says so.
    expect(await b.sync()).toBe(true)
    expect(await b.sync()).toBe(false)
    expect(await b.enterSession('gw-2', 2)).toBeUndefined()
    expect(await b.sync(), 'what it said itself is no news').toBe(false)
  })

  test('say nothing of tokens that nobody made: strangers would fill the log that all of them keep for ever', async () => {
    const journal = new MemoryJournal()
    const [a, b] = await cores(journal, 2)
    if (!a || !b) throw new Error('no cores')
    const token = tokenOf(a)
    await a.sync()
    const before = journal.length
    for (const secret of ['guessed', 'guessed', 'guessed again'])
      await expect(enrolled(b, { ...token, secret })).rejects.toThrow('not one for gw-1')
    expect(journal.length).toBe(before)
    await enrolled(b, token)
    await a.sync()
    const after = journal.length
    await expect(enrolled(a, token)).rejects.toThrow('used up')
    expect(journal.length).toBe(after)
  })

  test('send away while the log cannot be reached, and say so later', async () => {
    const journal = new MemoryJournal()
    const [a, b] = await cores(journal, 2)
    if (!a || !b) throw new Error('no cores')
    const certificate = await enrolled(a, tokenOf(a))
    await b.sync()
    journal.away = true
    a.revoke('gw-1')
    expect(stateAt(a, certificate)).toBe('revoked')
    await expect(a.sync()).rejects.toThrow('away')
    await expect(enrolled(b, tokenOf(b, 'gw-2'))).rejects.toThrow('away')
    journal.away = false
    await a.sync()
    await b.sync()
    expect(stateAt(b, certificate)).toBe('revoked')
  })
})

describe('a register of before', () => {
  test('is taken over; whoever one of two had sent away stays away', async () => {
    const journal = new MemoryJournal()
    const first = folder()
    await Authority.init(first, systemClock, { name: 'Plant', hosts: ['core'] })
    const before = await opened(first)
    const [kept, gone, token] = [
      await enrolled(before, tokenOf(before)),
      await enrolled(before, tokenOf(before, 'gw-2')),
      tokenOf(before, 'gw-3'),
    ]
    before.revoke('gw-2')
    await before.share(journal, silentLogger)
    const other = join(folder(), 'ca')
    await Authority.newMember(first, systemClock, ['other'], other)
    const joined = await opened(other, journal)
    expect([kept, gone].map(each => stateAt(joined, each))).toEqual(['allowed', 'revoked'])
    expect(await enrolled(joined, token)).toBeDefined()
  })

  test('is said again where the journal was made anew, or has lost its end', async () => {
    const journal = new MemoryJournal()
    const [a, b] = await cores(journal, 2)
    if (!a || !b) throw new Error('no cores')
    const first = await enrolled(a, tokenOf(a))
    await b.sync()
    journal.makeAnew()
    const second = await enrolled(b, tokenOf(b, 'gw-2'))
    await a.sync()
    expect([first, second].map(each => stateAt(a, each))).toEqual(['allowed', 'allowed'])
    a.revoke('gw-1')
    await a.sync()
    await b.sync()
    journal.cutBack(1)
    await a.sync()
    await b.sync()
    for (const each of [a, b]) expect([first, second].map(of => stateAt(each, of))).toEqual(['revoked', 'allowed'])
  })

  test('is not said again without end where the journal has lost its beginning; made anew, it has all that its cores hold', async () => {
    const journal = new MemoryJournal()
    const [a, b] = await cores(journal, 2)
    if (!a || !b) throw new Error('no cores')
    const first = await enrolled(a, tokenOf(a))
    await b.sync()
    journal.loseBeginning(2)
    expect(await b.sync(), 'who is at its end does not need it').toBe(false)
    const third = folder()
    await Authority.init(third, systemClock, { name: 'Plant', hosts: ['core'] })
    await expect(opened(third, journal)).rejects.toMatchObject({
      code: 'log_unavailable',
      message: 'headrace.identities has lost its beginning',
      advice: expect.stringContaining('cleanup.policy=compact'),
    })
    expect(journal.length).toBeLessThan(10)
    journal.makeAnew()
    await b.sync()
    await a.sync()
    expect([a, b].map(each => stateAt(each, first))).toEqual(['allowed', 'allowed'])
  })

  test('of another authority at the same log is nobody’s here', async () => {
    const journal = new MemoryJournal()
    const [a] = await cores(journal, 1)
    const [foreign] = await cores(journal, 1)
    if (!a || !foreign) throw new Error('no cores')
    await enrolled(foreign, tokenOf(foreign))
    await a.sync()
    expect(a.list()).toEqual([])
  })
})

describe('whatever cores do, and in whatever order they hear of it', () => {
  test('their registers come to the same', async () => {
    const random = new SeededRandom(seedOfRun('shared register'))
    const journal = new MemoryJournal()
    const at = folder()
    const made = Array.from({ length: 3 }, (_, index) => {
      const register = new Register(join(at, `${index}.db`))
      ends.push(() => register.close())
      return { register, shared: new SharedRegister({ register, journal, root: 'root', logger: silentLogger }) }
    })
    const certificateOf = (gateway: string, number: number) =>
      ({ kind: 'certificate', fingerprint: `certificate-${number}`, gateway, issuedMs: number, endsMs: number + 9_999 }) as const
    const gateways = ['gw-1', 'gw-2', 'gw-3']
    for (const [number, gateway] of gateways.entries()) {
      const token = `token-1-${gateway}`
      made[number]?.register.intend({ kind: 'token', hash: token, gateway, expiresMs: 9_999, atMs: 0 })
      await made[number]?.shared.write({ kind: 'use', hash: token, gateway, key: 'key-1', atMs: 0 })
      await made[number]?.shared.write({ ...certificateOf(gateway, number), by: { token, key: 'key-1' } })
    }
    for (let step = gateways.length; step < 300; step++) {
      const { register, shared } = random.pick(made)
      const gateway = random.pick(gateways)
      const [token, key] = [`token-${random.between(1, 3)}-${gateway}`, `key-${random.between(1, 3)}`]
      const certificate = certificateOf(gateway, step)
      const act = random.between(0, 8)
      if (act === 0) register.intend({ kind: 'token', hash: token, gateway, expiresMs: 9_999, atMs: step })
      else if (act === 1)
        register.intend({ kind: 'state', gateway, state: random.pick(['revoked', 'allowed'] as const), atMs: step })
      else if (act === 2) await shared.write({ kind: 'use', hash: token, gateway, key, atMs: step })
      else if (act === 3) await shared.write({ ...certificate, by: { token, key } })
      else if (act === 4) await shared.write({ ...certificate, by: { certificate: `certificate-${random.between(0, step)}` } })
      else if (act === 5) await shared.write({ kind: 'session', gateway, session: random.between(1, 50) })
      else if (act === 6) journal.compact()
      else await shared.sync()
    }
    for (const { shared } of [...made, ...made]) await shared.sync()
    const [first, ...others] = made.map(({ register }) => ({
      certificates: register.list(),
      sessions: gateways.map(gateway => register.newestSession(gateway)),
    }))
    expect(first?.certificates.length).toBeGreaterThanOrEqual(gateways.length)
    for (const other of others) expect(other).toEqual(first)
  })

  test('it is the one order that makes them so: in two orders they come to two things', () => {
    const at = folder()
    const [token, use, certificate, sentAway] = [
      { kind: 'token', hash: 't', gateway: 'gw-1', expiresMs: 9, atMs: 0 },
      { kind: 'use', hash: 't', gateway: 'gw-1', key: 'k', atMs: 0 },
      { kind: 'certificate', fingerprint: 'c', gateway: 'gw-1', issuedMs: 0, endsMs: 9, by: { token: 't', key: 'k' } },
      { kind: 'state', gateway: 'gw-1', state: 'revoked', atMs: 1 },
    ] as const
    const lists = [
      [token, use, certificate, sentAway],
      [token, use, sentAway, certificate],
    ].map((entries, index) => {
      const register = new Register(join(at, `${index}.db`))
      ends.push(() => register.close())
      for (const entry of entries) register.apply(entry)
      return register.list().map(({ state }) => state)
    })
    expect(lists).toEqual([['revoked'], []])
  })
})
