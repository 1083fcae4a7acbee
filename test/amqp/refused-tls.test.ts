import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { dial } from '../../src/amqp/dial.ts'
import { tlsRefusal } from '../../src/amqp/tls-words.ts'
import { checkUplink } from '../../src/doctor/checks/uplink.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { TestAuthority } from '../support/certificates.ts'
import { until } from '../support/until.ts'
import { closers, core, deps } from './ends.ts'

const LIMIT_MS = 20_000

/*
  A handshake that fails is told in words, by a peer that is no Node: Node's own server says nothing when it lets nobody in.
*/
describe('a peer with TLS', () => {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-tls-'))
  const children: ChildProcess[] = []
  let authority: TestAuthority
  let url = ''

  beforeAll(async () => {
    authority = new TestAuthority(folder)
    const server = authority.issue('server')
    const port = await freePort()
    url = `amqps://127.0.0.1:${port}`
    const own = ['-accept', `127.0.0.1:${port}`, '-cert', server.cert, '-key', server.key, '-CAfile', authority.ca]
    const child = spawn('openssl', ['s_server', ...own, '-Verify', '1', '-verify_return_error'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    children.push(child)
    let said = ''
    child.stdout.on('data', chunk => (said += chunk))
    await until('it listens', () => said.includes('ACCEPT'), LIMIT_MS)
  })

  afterAll(() => {
    for (const child of children) child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })

  const dialled = (tls: object) => dial({ url, containerId: 'gateway', tls, ...deps })

  test('that is shown no certificate, or one of another authority, says which', async () => {
    const ca = readFileSync(authority.ca)
    await expect(dialled({ ca })).rejects.toMatchObject({
      code: 'link_refused',
      message: `${url}: it asks for a certificate, and none was shown`,
    })
    const other = mkdtempSync(join(folder, 'other-'))
    const { cert, key } = new TestAuthority(other).issue('gateway')
    const foreign = dialled({ ca, cert: readFileSync(cert), key: readFileSync(key) })
    await expect(foreign).rejects.toMatchObject({
      code: 'link_refused',
      message: expect.stringMatching(/authority|does not take the certificate/),
    })
  })

  test('is looked at by `doctor` of a gateway that was never enrolled: it is told to', async () => {
    const [shown] = await checkUplink([url], {}, systemClock)
    expect(shown).toMatchObject({ severity: 'error', advice: expect.stringContaining('headrace enroll') })
    const [named] = await checkUplink([url], { tls: { ca: readFileSync(authority.ca) } }, systemClock)
    expect(named).toMatchObject({ severity: 'error', advice: expect.stringContaining('Look at `tls:`') })
  })

  test('that is not trusted here is told nothing, and the advice is to look at whom we trust', async () => {
    await expect(dialled({})).rejects.toMatchObject({
      code: 'link_refused',
      message: `${url}: its certificate does not come from an authority that is trusted here`,
      advice: expect.stringContaining('tls.ca'),
    })
  })

  test('and one without TLS, or that hangs up without a word', async () => {
    const plain = await core()
    const dialled = (to: string) => dial({ url: to.replace('amqp:', 'amqps:'), containerId: 'gateway', ...deps })
    await expect(dialled(plain.url)).rejects.toMatchObject({
      code: 'link_lost',
      message: expect.stringContaining('it hung up before it was open'),
    })
    const talker = createServer(socket => socket.on('error', () => {}).end('220 mail.example\r\n'))
    closers.push(() => void talker.close())
    await new Promise<void>(resolve => talker.listen(0, '127.0.0.1', resolve))
    const { port } = talker.address() as AddressInfo
    const refused = { code: 'link_refused', message: expect.stringContaining('it does not speak TLS there') }
    await expect(dialled(`amqp://127.0.0.1:${port}`)).rejects.toMatchObject(refused)
  })
})

test('what is no fault of TLS is left as it is; what OpenSSL says in a way that is not known here is no lost connection', () => {
  const failed = (code: string) => Object.assign(new Error('x'), { code })
  expect(tlsRefusal(failed('ECONNRESET'))).toBeUndefined()
  for (const version of ['SSLV3', 'TLSV1', 'TLSV13', 'SSL/TLS'])
    expect(tlsRefusal(failed(`ERR_SSL_${version}_ALERT_CERTIFICATE_EXPIRED`))?.what).toContain('has ended')
  expect(tlsRefusal(failed('ERR_SSL_NO_SHARED_CIPHER'))).toEqual({
    what: 'TLS does not come about: no_shared_cipher',
    by: 'peer',
  })
})
