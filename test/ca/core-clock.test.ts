import type { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { Authority, type Issued } from '../../src/ca/authority.ts'
import { newKey, newRequest } from '../../src/ca/certificates.ts'
import { certificatesIn } from '../../src/ca/pem.ts'
import { decodeToken } from '../../src/ca/token.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

const DAY_MS = 86_400_000
const ends: (() => void)[] = []

afterEach(() => {
  for (const end of ends.splice(0).reverse()) end()
})

async function plant() {
  const folder = join(mkdtempSync(join(tmpdir(), 'headrace-clock-')), 'ca')
  const clock = new SimulatedClock()
  await Authority.init(folder, clock, { name: 'Plant', hosts: ['127.0.0.1'] })
  ends.push(() => rmSync(join(folder, '..'), { recursive: true }))
  const open = () => {
    const authority = Authority.open({ folder, clock, lifeMs: 90 * DAY_MS, graceMs: 10_000 * DAY_MS })
    ends.push(() => authority.close())
    return authority
  }
  return { folder, clock, open }
}

const request = async () => newRequest(await newKey(), 'gw-1')

function taken(issued: Issued): X509Certificate {
  if ('refused' in issued) throw new Error(issued.refused)
  return certificatesIn(issued.chain)[0] as X509Certificate
}

async function enroll(authority: Authority): Promise<Issued> {
  const { secret } = decodeToken(authority.newToken('gw-1', 3_600_000, []))
  return authority.enroll('gw-1', secret, await request())
}

test('certificates that were made while the clock of the core was ahead are renewed once it is right: nobody is let in with them before', async () => {
  const { clock, open } = await plant()
  const authority = open()
  const before = taken(await enroll(authority))
  clock.jump(100 * DAY_MS)
  const ahead = taken(await authority.renew(before, await request()))
  await authority.renewServer()
  clock.jump(-100 * DAY_MS)
  expect(authority.isDue(ahead)).toBe(true)
  const right = taken(await authority.renew(ahead, await request()))
  expect(authority.isDue(right)).toBe(false)
  expect(right.validFromDate.getTime()).toBeLessThanOrEqual(clock.wallMs())
})

test('the certificate of the core that was made while its clock was ahead is made anew once it is right', async () => {
  const { clock, open } = await plant()
  const authority = open()
  clock.jump(300 * DAY_MS)
  expect(await authority.renewServer()).toBe(true)
  clock.jump(-300 * DAY_MS)
  expect(await authority.renewServer()).toBe(true)
  expect(await authority.renewServer()).toBe(false)
})

test('an authority whose issuing certificate has ended gives none that nobody would take, and says what to do', async () => {
  const { folder, clock, open } = await plant()
  const authority = open()
  const certificate = taken(await enroll(authority))
  clock.jump(5 * 365 * DAY_MS + 1_000)
  for (const issued of [await authority.renew(certificate, await request()), await enroll(authority)]) {
    expect(issued).toMatchObject({
      refused: expect.stringMatching(/^the issuing certificate of the authority ended on 2030-/),
      advice: expect.stringContaining('headrace ca renew --root-key'),
    })
  }
  expect(authority.list()).toHaveLength(1)
  expect(await authority.renewServer(), 'it would end before it begins').toBe(false)
  await Authority.renewIssuing(folder, clock, readFileSync(join(folder, 'root.key'), 'utf8'))
  const mended = open()
  expect(await mended.renewServer()).toBe(true)
  expect(taken(await mended.renew(certificate, await request())).validToDate.getTime()).toBeGreaterThan(clock.wallMs())
})
