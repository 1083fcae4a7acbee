import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { Authority } from '../../src/ca/authority.ts'
import { type KeyPair, newAuthority, newKey, newRoot, newServer } from '../../src/ca/certificates.ts'
import { checkGivenIssuer } from '../../src/ca/given-issuer.ts'
import { systemClock } from '../../src/runtime/clock.ts'

const DAY_MS = 86_400_000
const NOW_MS = Date.UTC(2026, 10, 29)
const VALID = { nowMs: NOW_MS, lifeMs: 100 * DAY_MS }

let root: KeyPair
let issuing: KeyPair
let leaf: KeyPair
/** The chain as a plant hands it over: the root last. */
let chain: string
/** A root of the same name, and another key. */
let other: string

beforeAll(async () => {
  root = await newRoot('Plant root', VALID)
  issuing = await newAuthority(root, 'Plant issuing', VALID)
  leaf = await newServer(issuing, ['a.example'], VALID, 'server')
  chain = issuing.chain + root.chain
  other = (await newRoot('Plant root', VALID)).chain
})

describe('an authority that a plant has', () => {
  test('is taken with those above it, or where it is the root itself', () => {
    expect(checkGivenIssuer({ chain, key: issuing.key }, NOW_MS)).toEqual({ ...issuing, root: root.chain })
    expect(checkGivenIssuer(root, NOW_MS)).toEqual({ ...root, root: root.chain })
  })

  test('may have its key in the form that openssl ec writes', () => {
    const key = createPrivateKey(issuing.key).export({ type: 'sec1', format: 'pem' }).toString()
    expect(key).toContain('BEGIN EC PRIVATE KEY')
    expect(checkGivenIssuer({ chain, key }, NOW_MS).key).toBe(issuing.key)
  })

  test.each<[string, string, () => KeyPair, number?]>([
    [
      'the key of another',
      'the key does not belong to the first certificate, CN=Plant issuing',
      () => ({ chain, key: root.key }),
    ],
    ['the root first', 'the key does not belong', () => ({ chain: root.chain + issuing.chain, key: issuing.key })],
    ['a certificate that signs nothing', 'CN=a.example may not sign', () => ({ chain: leaf.chain + root.chain, key: leaf.key })],
    ['no root', 'the chain does not end with a root', () => issuing],
    [
      'another root',
      'is not signed by the next in the file, CN=Plant root',
      () => ({ chain: issuing.chain + other, key: issuing.key }),
    ],
    ['one that has ended', 'ended on', () => ({ chain, key: issuing.key }), NOW_MS + 101 * DAY_MS],
    ['one that is not good yet', 'is good from', () => ({ chain, key: issuing.key }), NOW_MS - DAY_MS],
    ['a key with a password', 'the key needs a password', () => ({ chain, key: locked(issuing.key) })],
    ['no key', 'the key cannot be read', () => ({ chain, key: chain })],
    ['a key of a kind that we do not sign with', 'ed25519', () => ({ chain, key: ed25519() })],
    ['no certificate', 'there is no certificate in it', () => ({ chain: issuing.key, key: issuing.key })],
    ['half a certificate', 'cannot be read', () => ({ chain: chain.replace(/\n[A-Za-z0-9+/=]+\n-/, '\n-'), key: issuing.key })],
  ])('is refused with %s', (_, what, given, nowMs = NOW_MS) => {
    expect(() => checkGivenIssuer(given(), nowMs)).toThrow(expect.objectContaining({ code: 'config_invalid' }))
    expect(() => checkGivenIssuer(given(), nowMs)).toThrow(what)
  })
})

test('nothing is made of one that is refused, so that the right one can be given next', async () => {
  const folder = join(mkdtempSync(join(tmpdir(), 'headrace-ca-')), 'ca')
  try {
    const what = { name: 'x', hosts: ['127.0.0.1'] }
    const now = await newRoot('Plant root', { nowMs: Date.now(), lifeMs: DAY_MS })
    const wrong = { chain: now.chain, key: await newKey() }
    await expect(Authority.init(folder, systemClock, { ...what, from: wrong })).rejects.toThrow('does not belong')
    expect(existsSync(folder)).toBe(false)
    await Authority.init(folder, systemClock, { ...what, from: now })
    await expect(Authority.renewIssuing(folder, systemClock, wrong.key)).rejects.toThrow('does not belong')
    await Authority.renewIssuing(folder, systemClock, now.key)
  } finally {
    rmSync(join(folder, '..'), { recursive: true })
  }
})

function locked(key: string): string {
  return createPrivateKey(key).export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }).toString()
}

function ed25519(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}
