import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { SourceBench } from '../source/harness.ts'
import { TestAuthority } from '../support/certificates.ts'
import { until } from '../support/until.ts'
import { ConsoleBench } from './console-bench.ts'

const ends: (() => unknown)[] = []

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

/** Certificate files that something else renews, and whose certificate a port shows. */
function renewed() {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-renewed-'))
  ends.push(() => rmSync(folder, { recursive: true, force: true }))
  const authority = new TestAuthority(folder)
  const tls = { cert: join(folder, 'own.pem'), key: join(folder, 'own.key') }
  const put = (name: string) => {
    const issued = authority.issue(name)
    copyFileSync(issued.cert, tls.cert)
    copyFileSync(issued.key, tls.key)
  }
  const shownAt = (port: number) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, ca: readFileSync(authority.ca) }, () => {
        resolve(String(socket.getPeerCertificate().subject.CN))
        socket.destroy()
      })
      socket.on('error', reject)
    })
  return { tls, put, shownAt }
}

test('a console shows the certificate that was renewed in its files, and what it had where they cannot be used', async () => {
  const { tls, put, shownAt } = renewed()
  put('first')
  const bench = new ConsoleBench()
  ends.push(() => bench.end())
  const port = Number(new URL(await bench.start({ tls })).port)
  expect(await shownAt(port)).toBe('first')
  put('second')
  expect([await shownAt(port), await shownAt(port)]).toEqual(['second', 'second'])
  writeFileSync(tls.cert, 'not a certificate')
  expect(await shownAt(port)).toBe('second')
})

test('so does a webhook, which counts that they cannot be used', async () => {
  const { tls, put, shownAt } = renewed()
  put('first')
  const bench = new SourceBench()
  ends.push(() => bench.end())
  const port = await freePort()
  const runner = bench.start('webhook', { listen: `127.0.0.1:${port}`, tls })
  await until('it listens', () => shownAt(port).catch(() => undefined))
  put('second')
  expect(await shownAt(port)).toBe('second')
  writeFileSync(tls.key, 'not a key')
  expect(await shownAt(port)).toBe('second')
  expect(Object.keys(runner.status().trouble)).toEqual([expect.stringContaining('webhook.tls cannot be used as it is now')])
})
