import { expect, test } from 'vitest'
import { keyOfRequest, newKey, newRequest } from '../../src/ca/certificates.ts'
import { takeIssued } from '../../src/ca/gateway-identity.ts'

const BEGIN = '-----BEGIN CERTIFICATE REQUEST-----\n'
const END = '-----END CERTIFICATE REQUEST-----\n'

test.each([
  // A library's pattern took each of these lines for a header or for more of the one before: two to the power of their number.
  ['headers that go on', `${BEGIN}A: b\n${' c: d\n'.repeat(600)}!`],
  ['beginnings', '-----BEGIN A-----'.repeat(400)],
  ['nothing in it', BEGIN + END],
  ['no end', BEGIN + 'AAAA\n'.repeat(1_000)],
  ['what is no base64', `${BEGIN}!!!!\n${END}`],
  ['what is no request', `${BEGIN}AAAA\n${END}`],
])('a stranger’s request of %s is refused at once, and does not keep the core', async (_, request) => {
  await expect(keyOfRequest(request)).rejects.toMatchObject({ code: 'config_invalid' })
})

test('a request that another program wrote is read: its lines end as they may, and it says NEW', async () => {
  const request = await newRequest(await newKey(), 'gw-1')
  const key = await keyOfRequest(request)
  expect(await keyOfRequest(`\r\n${request.replaceAll('\n', '\r\n')}\r\n`)).toBe(key)
  expect(await keyOfRequest(request.replaceAll('CERTIFICATE', 'NEW CERTIFICATE'))).toBe(key)
})

test('what a core gives as a certificate and is none is refused in words that say so', async () => {
  const none = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
  const taking = () => takeIssued({ chain: none, root: none }, { gateway: 'gw-1', key: 'key', root: 'root' })
  expect(taking).toThrow(expect.objectContaining({ code: 'link_refused', message: expect.stringContaining('it cannot be read') }))
})
