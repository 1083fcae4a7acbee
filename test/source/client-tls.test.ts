import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttps } from 'node:https'
import { createServer as createPlain, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTls } from 'node:tls'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { clientTlsOptions, readClientTls, tlsWithin, whyRefused } from '../../src/source/client-tls.ts'
import { type Certificate, TestAuthority } from '../support/certificates.ts'
import { until } from '../support/until.ts'
import { SourceBench } from './harness.ts'

let folder: string
let plant: TestAuthority
let stranger: TestAuthority
let good: Certificate
let bench: SourceBench
const servers: Server[] = []
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-client-tls-'))
  for (const name of ['plant', 'stranger']) mkdirSync(join(folder, name))
  plant = new TestAuthority(join(folder, 'plant'))
  stranger = new TestAuthority(join(folder, 'stranger'))
  good = plant.issue('good')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))
beforeEach(() => {
  bench = new SourceBench()
})
afterEach(async () => {
  await bench.end()
  for (const server of servers.splice(0)) server.close()
})

const material = ({ cert, key }: Certificate) => ({ cert: readFileSync(cert), key: readFileSync(key) })

async function listen(server: Server): Promise<number> {
  servers.push(server)
  const port = await freePort()
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', () => resolve()))
  return port
}

/** A device that answers over HTTPS, and one that sends lines over TLS. */
const SPEAKERS = {
  http: async (shown: Certificate, more: object = {}) => {
    const port = await listen(createHttps({ ...material(shown), ...more }, (_, response) => response.end('reading\n')))
    return (tls?: object) => ({ url: `https://127.0.0.1:${port}/`, every: '50ms', ...(tls && { tls }) })
  },
  tcp: async (shown: Certificate, more: object = {}) => {
    const server = createTls({ ...material(shown), ...more }, socket => {
      socket.on('error', () => {})
      socket.write('reading\n')
    })
    const port = await listen(server)
    return (tls: object = {}) => ({ connect: `127.0.0.1:${port}`, tls })
  },
} as const

describe.each(['http', 'tcp'] as const)('%s', kind => {
  const open = (shown: Certificate, more: object = {}) => SPEAKERS[kind](shown, more)

  async function reads(options: object): Promise<void> {
    bench.random = () => 0.999
    bench.start(kind, options)
    await until('a reading', () => bench.texts.some(text => text.trim() === 'reading'))
  }

  async function refusedWith(options: object): Promise<string> {
    bench.random = () => 0.999
    const runner = bench.start(kind, options)
    const { reason } = await until('it is refused', () => runner.status().state === 'waiting' && runner.status())
    expect(bench.records).toEqual([])
    return reason ?? ''
  }

  test('an authority of the plant is trusted, by its file or by its text', async () => {
    const options = await open(good)
    await reads(options({ ca: plant.ca }))
    bench.records.length = 0
    await reads(options({ ca: readFileSync(plant.ca, 'utf8') }))
  })

  test('without it, and with another one, it is refused, and said what to do', async () => {
    const options = await open(good)
    expect(await refusedWith(options())).toContain('an authority that is not a public one: name it in `tls.ca`')
    expect(await refusedWith(options({ ca: stranger.ca }))).toContain('an authority that is not the one in `tls.ca`')
  })

  test('a certificate that has ended is refused, and the clock by which it has is said', async () => {
    const options = await open(plant.issue('ended', { days: -1 }))
    const reason = await refusedWith(options({ ca: plant.ca }))
    expect(reason).toMatch(/has ended.*by this gateway's clock it is 20\d\d-/)
  })

  test('a certificate for another name is refused, unless that name is the one that is wanted', async () => {
    const options = await open(plant.issue('other', { altName: 'DNS:press-7.plant' }))
    expect(await refusedWith(options({ ca: plant.ca }))).toMatch(/for another name.*`tls.server_name`/)
    await reads(options({ ca: plant.ca, server_name: 'press-7.plant' }))
  })

  test('who wants to see a certificate is shown one; without it the reason is said', async () => {
    const options = await open(good, { requestCert: true, rejectUnauthorized: true, ca: readFileSync(plant.ca) })
    expect(await refusedWith(options({ ca: plant.ca }))).toContain('name one in `tls.cert` and `tls.key`')
    await reads(options({ ca: plant.ca, ...plant.issue('gateway-1') }))
  })

  test('where nobody speaks TLS that is said', async () => {
    const plain = createPlain(socket => {
      socket.on('error', () => {})
      socket.write('220 welcome to something else\r\n')
    })
    const port = await listen(plain)
    const options =
      kind === 'http' ? { url: `https://127.0.0.1:${port}/`, every: '50ms' } : { connect: `127.0.0.1:${port}`, tls: {} }
    expect(await refusedWith(options)).toContain('does not speak TLS there')
  })

  test('an authority that comes later, or is renewed, is taken as it is then', async () => {
    const ca = join(folder, `${kind}-later.pem`)
    const options = (await open(good))({ ca })
    bench.random = () => 0.999
    const runner = bench.start(kind, options)
    const reason = () => runner.status().reason ?? ''
    await until('it says that the file is not there', () => reason().includes(`${kind}-later.pem`))
    writeFileSync(ca, 'not yet\n')
    await until('it says what is wrong with it', () => reason().includes('holds no certificate'))
    writeFileSync(ca, readFileSync(stranger.ca))
    await until('it is refused', () => reason().includes('not the one in `tls.ca`'))
    writeFileSync(ca, readFileSync(plant.ca))
    await until('a reading', () => bench.records.length > 0)
  })
})

test('a text that is no certificate is a wrong option; a path is taken from the folder of the pipeline', () => {
  const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
  expect(clientTlsOptions.safeParse({ ca: broken }).error?.issues[0]?.message).toContain('cannot be read')
  expect(clientTlsOptions.safeParse({ cert: 'a.crt' }).error?.issues[0]?.message).toContain('needs both')
  const text = readFileSync(plant.ca, 'utf8')
  expect(tlsWithin({ ca: text, cert: 'a.crt', key: '/k' }, '/p')).toEqual({ ca: text, cert: '/p/a.crt', key: '/k' })
  expect(tlsWithin({ ca: 'ca.pem' }, '/p')).toEqual({ ca: '/p/ca.pem' })
})

test('a certificate and a key that are not of one another are said to be', () => {
  const other = plant.issue('second')
  expect(() => readClientTls({ cert: good.cert, key: other.key })).toThrow(/tls.cert .*tls.key .* cannot be used/)
})

test('a certificate of this side that the other end does not know is said to be refused', () => {
  const error = Object.assign(new Error('tlsv1 alert unknown ca'), { code: 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA' })
  expect(whyRefused(error, { cert: 'a', key: 'b' }, 0)).toContain('refuses the certificate in `tls.cert`')
})

test('what a clock of 1970 makes of a good certificate is said with the time', () => {
  const error = Object.assign(new Error('certificate is not yet valid'), { code: 'CERT_NOT_YET_VALID' })
  expect(whyRefused(error, undefined, 60_000)).toContain("not valid yet: by this gateway's clock it is 1970-01-01T00:01")
})
