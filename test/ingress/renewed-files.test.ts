import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { createIngress } from '../../src/cli/create-ingress.ts'
import { coreSchema } from '../../src/config/core.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { type Logger, silentLogger } from '../../src/runtime/logger.ts'
import { TestAuthority } from '../support/certificates.ts'
import { MemoryLog } from '../support/memory-log.ts'

const ends: (() => unknown)[] = []

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

/** A core whose certificates are files that something else renews. */
async function core() {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-renewed-'))
  ends.push(() => rmSync(folder, { recursive: true, force: true }))
  const authority = new TestAuthority(folder)
  const [cert, key] = [join(folder, 'core.pem'), join(folder, 'core.key')]
  const put = (name: string, what: 'both' | 'cert' = 'both') => {
    const issued = authority.issue(name)
    copyFileSync(issued.cert, cert)
    if (what === 'both') copyFileSync(issued.key, key)
    return issued
  }
  const lines: string[] = []
  const logger: Logger = {
    ...silentLogger,
    error: (fields: object, message: string) => void lines.push(`${message} ${JSON.stringify(fields)}`),
    child: () => logger,
  }
  const port = await freePort()
  const start = async () => {
    const listen = `amqps://127.0.0.1:${port}`
    const config = coreSchema.parse({ state: folder, log: { sqlite: {} }, ingress: { listen, tls: { cert, key } } })
    const parts = { stateDir: folder, log: new MemoryLog(systemClock), logger, alarms: new Alarms(systemClock) }
    const ingress = createIngress(config, config.ingress as NonNullable<typeof config.ingress>, parts)
    await ingress.start()
    ends.push(() => ingress.stop())
  }
  const shown = () =>
    new Promise<string>((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, ca: readFileSync(authority.ca) }, () => {
        resolve(String(socket.getPeerCertificate().subject.CN))
        socket.destroy()
      })
      socket.on('error', reject)
    })
  return { put, start, shown, lines, cert, key }
}

test('a core that listens shows the certificate that was renewed in its files, without being started again', async () => {
  const { put, start, shown } = await core()
  put('first')
  await start()
  expect(await shown()).toBe('first')
  put('second')
  expect(await shown()).toBe('second')
  expect(await shown()).toBe('second')
})

test('files that do not fit yet, or are none, are said once, and the core goes on with what it has', async () => {
  const { put, start, shown, lines, cert, key } = await core()
  put('first')
  await start()
  const half = put('half', 'cert')
  expect([await shown(), await shown()]).toEqual(['first', 'first'])
  expect(lines).toMatchObject([expect.stringContaining(cert)])
  copyFileSync(half.key, key)
  expect(await shown()).toBe('half')
  writeFileSync(cert, 'not a certificate')
  expect(await shown()).toBe('half')
  rmSync(cert)
  expect(await shown()).toBe('half')
  expect(lines).toHaveLength(3)
})

test('a core whose key belongs to another certificate does not start, and says so', async () => {
  const { put, start, cert } = await core()
  put('first')
  put('half', 'cert')
  await expect(start()).rejects.toMatchObject({ code: 'config_unreadable', message: expect.stringContaining(cert) })
})
