import { createPublicKey } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newKey, newRoot, signGateway } from '../../src/ca/certificates.ts'
import { checkIdentity } from '../../src/doctor/checks/certificates.ts'
import { uplinkOptions } from '../../src/link/options.ts'

const DAY_MS = 86_400_000
const NOW_MS = Date.UTC(2026, 5, 1)

describe('what the doctor says of the certificate that a gateway was enrolled for', () => {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-identity-'))
  const file = join(folder, 'identity.pem')

  beforeAll(async () => {
    const root = await newRoot('Plant root', { nowMs: NOW_MS, lifeMs: 1_000 * DAY_MS })
    const key = await newKey()
    const publicKey = createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString()
    writeFileSync(file, key + (await signGateway(root, 'plant-a-1', publicKey, { nowMs: NOW_MS, lifeMs: DAY_MS })))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  test.each([
    ['nothing while it is good', 0, 'router', undefined, ['ok']],
    ['that it has ended, where the core renews it', 2, 'direct', undefined, ['warning']],
    ['that it has ended, and where it is renewed', 2, 'broker', 'amqps://broker:5673', ['warning']],
    ['that it has ended and lets nobody in', 2, 'router', undefined, ['error']],
  ] as const)('%s', (_, days, mode, renewAt, severities) => {
    const findings = checkIdentity(file, NOW_MS + days * DAY_MS, { gateway: 'plant-a-1', mode, renewAt })
    expect(findings.map(({ severity }) => severity)).toEqual(severities)
  })

  test('that it is somebody else’s, or no certificate', () => {
    const as = { gateway: 'plant-a-2', mode: 'direct', renewAt: undefined } as const
    expect(checkIdentity(file, NOW_MS, as)[0]?.message).toContain('is of plant-a-1')
    expect(checkIdentity(join(folder, 'none'), NOW_MS, as)).toMatchObject([{ severity: 'error' }])
  })
})

describe('uplink.renew_at', () => {
  test('is an address with TLS, and for routers and brokers alone', () => {
    const of = (more: object) => uplinkOptions.safeParse({ url: 'amqps://router:5671', ...more })
    expect(of({ mode: 'router', renew_at: 'amqps://core:5671' }).success).toBe(true)
    expect(of({ mode: 'router', renew_at: 'amqp://core:5672' }).error?.issues[0]?.message).toContain('has to be amqps')
    expect(of({ renew_at: 'amqps://core:5671' }).error?.issues[0]?.message).toContain('`mode: router`')
  })
})
