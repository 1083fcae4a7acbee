import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Authority } from '../../src/ca/authority.ts'
import { newKey, newRequest } from '../../src/ca/certificates.ts'
import { decodeToken } from '../../src/ca/token.ts'
import { listCertificates, newToken, setState } from '../../src/cli/ca.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { issueTo } from '../support/issued.ts'

const DAY_MS = 86_400_000

test('a token that got into the wrong hands before it was used is revoked: its gateway was never enrolled', async () => {
  const folder = join(mkdtempSync(join(tmpdir(), 'headrace-tokens-')), 'ca')
  await Authority.init(folder, systemClock, { name: 'Plant', hosts: ['127.0.0.1'] })
  const { token } = await newToken({ folder }, 'gw-1', 3_600_000, [])
  expect(await setState({ folder }, 'gw-1', 'revoked')).toMatchObject({ changed: 0, tokens: 1 })
  const authority = Authority.open({ folder, clock: systemClock, lifeMs: 1_000_000, graceMs: 0 })
  const request = await newRequest(await newKey(), 'gw-1')
  expect(await authority.enroll('gw-1', decodeToken(token).secret, request)).toHaveProperty('refused')
  authority.close()
  await expect(setState({ folder }, 'gw-1', 'revoked'), 'nothing is left of it').rejects.toMatchObject({ code: 'not_found' })
  await expect(setState({ folder }, 'gw-2', 'revoked')).rejects.toThrow('for gw-2')
  await expect(setState({ folder }, 'gw-1', 'allowed')).rejects.toMatchObject({ code: 'not_found' })
  rmSync(join(folder, '..'), { recursive: true })
})

test('a certificate that has ended is listed as such: it was called allowed; one that was revoked stays revoked', async () => {
  const folder = join(mkdtempSync(join(tmpdir(), 'headrace-tokens-')), 'ca')
  await Authority.init(folder, systemClock, { name: 'Plant', hosts: ['127.0.0.1'] })
  const authority = Authority.open({ folder, clock: systemClock, lifeMs: DAY_MS, graceMs: 0 })
  for (const gateway of ['gw-1', 'gw-2']) await issueTo(authority, gateway, join(folder, `${gateway}.pem`))
  authority.close()
  await setState({ folder }, 'gw-2', 'revoked')
  const states = (inMs: number) =>
    Object.fromEntries(
      listCertificates({ folder }, { wallMs: () => systemClock.wallMs() + inMs }).map(({ gateway, state }) => [gateway, state]),
    )
  expect(states(0)).toEqual({ 'gw-1': 'allowed', 'gw-2': 'revoked' })
  expect(states(2 * DAY_MS)).toEqual({ 'gw-1': 'ended', 'gw-2': 'revoked' })
  rmSync(join(folder, '..'), { recursive: true })
})
