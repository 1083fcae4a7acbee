import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Assets } from '../../src/console/assets.ts'
import { consoleOptions } from '../../src/console/options.ts'
import { Users } from '../../src/console/users.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { TestAuthority } from '../support/certificates.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { until } from '../support/until.ts'
import { type Answer, ask, ConsoleBench, FIGURES, tokenOf, watch } from './console-bench.ts'

/** All that the page loads, compressed: phones on a plant's network load it as well. */
const ASSETS_BYTES_MAX = 200_000

let bench: ConsoleBench
beforeEach(() => {
  bench = new ConsoleBench()
})
afterEach(() => bench.end())

interface Operations {
  readonly post?: { readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: object }>> } }
}

describe('looking', () => {
  test('the API says what the control socket says, and so does /status', async () => {
    const url = await bench.start()
    const status = { role: 'core', sources: [{ source: 'g/a', next: 7 }], alarms: [] }
    expect(JSON.parse((await ask(`${url}/api/core/status`)).body)).toEqual(status)
    expect(JSON.parse((await ask(`${url}/status`)).body)).toEqual(status)
    expect((await ask(`${url}/health`)).status).toBe(200)
  })

  test('OpenAPI names each route that this process answers, and none of the other', async () => {
    const url = await bench.start()
    const api = JSON.parse((await ask(`${url}/api/openapi.json`)).body) as { openapi: string; paths: Record<string, Operations> }
    expect(api.openapi).toBe('3.1.0')
    expect(Object.keys(api.paths)).toContain('/api/core/batch/{job}/run')
    expect(Object.keys(api.paths).filter(path => path.includes('/edge/'))).toEqual([])
    const { schema } = api.paths['/api/core/silences']?.post?.requestBody?.content['application/json'] ?? {}
    expect(schema).toMatchObject({ required: ['for_ms'], properties: { for_ms: { type: 'integer' } } })
  })

  test.each([
    ['/api/nothing', 404],
    ['/api/edge/status', 404],
    ['/api/core/tail?last=2', 400],
    ['/api/core/tail?source=a&last=many', 400],
    ['/api/core/tail?source=a&colour=red', 400],
    ['/assets/../console.ts', 404],
    ['/assets/%2e%2e/console.ts', 404],
  ])('%s is answered %i, in JSON and without a stack', async (path, status) => {
    const answer = await ask(`${await bench.start()}${path}`)
    expect(answer.status).toBe(status)
    expect(JSON.parse(answer.body)).toMatchObject({ error: { message: expect.any(String) } })
    expect(answer.body).not.toMatch(/\bat .*:\d+:\d+/)
  })

  test('all that the page loads is small', () => {
    const assets = new Assets()
    const bytes = assets.paths.reduce((sum, path) => sum + (assets.get(path)?.gzip.length ?? Number.POSITIVE_INFINITY), 0)
    expect(bytes).toBeLessThan(ASSETS_BYTES_MAX)
    expect(assets.paths).toContain('/assets/main.ts')
    expect(gzipSync(assets.get('/assets/main.ts')?.bytes ?? '').length).toBeGreaterThan(0)
    expect(assets.get('/assets/../options.ts')).toBeUndefined()
  })

  test('the page may load from here alone', async () => {
    const { headers } = await ask(`${await bench.start()}/`)
    expect(headers['content-security-policy']).toMatch(/default-src 'none'.*script-src 'self' 'sha256-.*frame-ancestors 'none'/)
    expect(headers['content-security-policy']).not.toMatch(/unsafe|https?:/)
    expect(headers['x-content-type-options']).toBe('nosniff')
  })
})

test('a partition whose end is not known for a moment does not count as having got all of its records in the next minute', async () => {
  const clock = new SimulatedClock()
  let next: number | null = 1_000_000
  const status = async () => ({ role: 'core', sources: [{ source: 'g/a', next }], alarms: [] })
  const url = await bench.start({}, { clock, sides: { core: { ...bench.core, status } } })
  for (const end of [1_000_010, null, 1_000_030, 1_000_040]) {
    next = end
    await clock.pass(60_000)
  }
  const points = JSON.parse((await ask(`${url}/api/history?source=g/a`)).body) as { records: number }[]
  expect(points.map(({ records }) => records)).toEqual([10, 0, 0, 10])
})

describe('a browser that is made to ask for another site', () => {
  test('under a name that is not ours is refused, and our own is not', async () => {
    const url = await bench.start({ hosts: ['core.plant.example'] })
    const port = new URL(url).port
    expect((await ask(`${url}/status`, { headers: { host: `evil.example:${port}` } })).status).toBe(421)
    expect((await ask(`${url}/status`, { headers: { host: `core.plant.example:${port}` } })).status).toBe(200)
    expect((await ask(`${url}/status`, { headers: { host: `localhost:${port}` } })).status).toBe(200)
  })

  test('changes nothing without the token, or from a foreign origin; what was tried is in the audit log', async () => {
    const url = await bench.start()
    const post = (headers: Record<string, string>) => ask(`${url}/api/core/batch/load/run`, { method: 'POST', headers })
    expect((await post({})).status).toBe(403)
    expect((await post({ 'x-headrace-csrf': 'x'.repeat(43) })).status).toBe(403)
    const token = { 'x-headrace-csrf': await tokenOf(url) }
    expect((await post({ ...token, origin: 'http://evil.example' })).status).toBe(403)
    expect(bench.ran).toEqual([])
    expect((await post({ ...token, origin: url })).status).toBe(200)
    expect(bench.ran).toEqual([{ job: 'load' }])
    const audit = readFileSync(join(bench.folder, 'console-audit.ndjson'), 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    expect(audit.map(({ user, what, status }) => [user, what, status])).toEqual([
      ['local', 'POST /api/core/batch/load/run', 403],
      ['local', 'POST /api/core/batch/load/run', 403],
      ['local', 'POST /api/core/batch/load/run', 200],
    ])
  })

  test('what was done is answered as done where the audit log cannot be written, and stands in the log of the process', async () => {
    const said: unknown[] = []
    const logger = { ...silentLogger, error: (...line: unknown[]) => void said.push(line) }
    mkdirSync(join(bench.folder, 'console-audit.ndjson'))
    const url = await bench.start({}, { logger })
    const headers = { 'x-headrace-csrf': await tokenOf(url) }
    const answer = await ask(`${url}/api/core/batch/load/run`, { method: 'POST', headers })
    expect(answer).toMatchObject({ status: 200, body: '{"outcome":"done"}\n' })
    expect(said).toEqual([
      [
        { audit: expect.stringContaining('"what":"POST /api/core/batch/load/run","given":{},"status":200') },
        expect.stringMatching(/audit log, which cannot be written: EISDIR/),
      ],
    ])
  })

  test('an error of the call keeps its code and its advice', async () => {
    const url = await bench.start()
    const headers = { 'x-headrace-csrf': await tokenOf(url) }
    const { status, body } = await ask(`${url}/api/core/batch/none/run`, { method: 'POST', headers })
    expect(status).toBe(404)
    expect(JSON.parse(body)).toEqual({
      error: { code: 'not_found', message: 'there is no batch job "none"', advice: 'Known: load.' },
    })
  })

  test('a body that is too large, or no JSON object, is refused', async () => {
    const url = await bench.start()
    const headers = { 'x-headrace-csrf': await tokenOf(url), 'content-type': 'application/json' }
    const post = (body: string, more = {}) =>
      ask(`${url}/api/core/batch/load/run`, { method: 'POST', headers: { ...headers, ...more }, body })
    expect((await post('[1]')).status).toBe(400)
    expect((await post('{')).status).toBe(400)
    expect((await post('{}', { 'content-type': 'text/plain' })).status).toBe(415)
    expect((await post(JSON.stringify({ a: 'x'.repeat(20_000) }))).status).toBe(413)
    expect(bench.ran).toEqual([])
  })
})

describe('with users', () => {
  const PASSWORD = 'correct horse battery'
  let home: string
  let users: string
  // A key takes long to derive, by intent: all tests have the same two.
  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'headrace-users-'))
    users = join(home, 'users.json')
    await new Users(users).put('anna', 'operator', PASSWORD)
    await new Users(users).put('bert', 'viewer', PASSWORD)
  }, 120_000)
  afterAll(() => rmSync(home, { recursive: true, force: true }))

  const startWithUsers = () => bench.start({ users })

  async function logIn(url: string, name: string, password = PASSWORD): Promise<Answer> {
    const headers = { 'content-type': 'application/json' }
    return ask(`${url}/api/session`, { method: 'POST', headers, body: JSON.stringify({ name, password }) })
  }

  const cookieOf = ({ headers }: Answer) => String(headers['set-cookie']).split(';')[0] ?? ''

  test('nothing is shown before a log-in but the page itself and the health', async () => {
    const url = await startWithUsers()
    expect((await ask(`${url}/`)).status).toBe(200)
    expect((await ask(`${url}/health`)).status).toBe(200)
    for (const path of ['/status', '/api/core/status', '/api/live', '/api/openapi.json', '/api/core/tail?source=a']) {
      expect((await ask(`${url}${path}`)).status).toBe(401)
    }
  })

  test('a viewer looks and an operator acts; a log-out ends it', async () => {
    const url = await startWithUsers()
    const run = async (cookie: string) =>
      (
        await ask(`${url}/api/core/batch/load/run`, {
          method: 'POST',
          headers: { cookie, 'x-headrace-csrf': await tokenOf(url, { cookie }) },
        })
      ).status
    const bert = await logIn(url, 'bert')
    expect(String(bert.headers['set-cookie'])).toMatch(/HttpOnly; SameSite=Strict/)
    expect((await ask(`${url}/api/core/status`, { headers: { cookie: cookieOf(bert) } })).status).toBe(200)
    expect(await run(cookieOf(bert))).toBe(403)
    const cookie = cookieOf(await logIn(url, 'anna'))
    expect(await run(cookie)).toBe(200)
    await ask(`${url}/api/session`, { method: 'DELETE', headers: { cookie, 'x-headrace-csrf': await tokenOf(url, { cookie }) } })
    expect((await ask(`${url}/api/core/status`, { headers: { cookie } })).status).toBe(401)
  })

  test('a log-in at one console was a log-out at another on the same host, since browsers send cookies to every port of it', async () => {
    const urls = [await startWithUsers(), await bench.start({ users }, { stateDir: join(bench.folder, 'other') })]
    const kept = new Map<string, string>()
    for (const url of urls) {
      const [name = '', id = ''] = cookieOf(await logIn(url, 'anna')).split('=')
      kept.set(name, id)
    }
    const cookie = [...kept].map(pair => pair.join('=')).join('; ')
    const statuses = urls.map(async url => (await ask(`${url}/status`, { headers: { cookie } })).status)
    expect(await Promise.all(statuses)).toEqual([200, 200])
  })

  test('a user who is taken out of the file, or is given another password, is out, and so is the page that watches; another role holds at once', async () => {
    const clock = new SimulatedClock()
    const own = join(bench.folder, 'own.json')
    const stored = JSON.parse(readFileSync(users, 'utf8')) as { users: { name: string; role: string; key: string }[] }
    const keep = (change: (user: (typeof stored)['users'][number]) => object[]) => {
      writeFileSync(join(bench.folder, 'next.json'), JSON.stringify({ version: 1, users: stored.users.flatMap(change) }))
      renameSync(join(bench.folder, 'next.json'), own)
    }
    keep(user => [user])
    const url = await bench.start({ users: own }, { clock })
    const cookies = { anna: cookieOf(await logIn(url, 'anna')), bert: cookieOf(await logIn(url, 'bert')) }
    const statusOf = async (cookie: string, path = '/status') => (await ask(`${url}${path}`, { headers: { cookie } })).status
    expect([await statusOf(cookies.anna, '/api/audit'), await statusOf(cookies.bert, '/api/audit')]).toEqual([200, 403])
    keep(user => [{ ...user, role: user.name === 'anna' ? 'viewer' : 'operator' }])
    expect([await statusOf(cookies.anna, '/api/audit'), await statusOf(cookies.bert, '/api/audit')]).toEqual([403, 200])
    const pages = [cookies.anna, cookies.bert].map(cookie => watch(`${url}/api/live`, { cookie }))
    await until('both watch', () => pages.every(({ response }) => response) || undefined)
    keep(user => (user.name === 'anna' ? [] : [user]))
    expect([await statusOf(cookies.anna), await statusOf(cookies.bert)]).toEqual([401, 200])
    await clock.pass(15_000)
    await until('the page of the one is cut off', () => pages[0]?.isEnded || undefined)
    expect(pages[1]?.isEnded).toBe(false)
    keep(user => [{ ...user, key: Buffer.alloc(32, 1).toString('base64') }])
    expect([await statusOf(cookies.anna), await statusOf(cookies.bert)]).toEqual([401, 401])
    for (const page of pages) page.end()
  })

  test('who silences is said by the log-in, whatever the request says, and stands in the audit log with what was asked', async () => {
    const url = await startWithUsers()
    const cookies = { anna: cookieOf(await logIn(url, 'anna')), bert: cookieOf(await logIn(url, 'bert')) }
    const silence = async (name: 'anna' | 'bert', more: object = {}) => {
      const cookie = cookies[name]
      const headers = { cookie, 'x-headrace-csrf': await tokenOf(url, { cookie }), 'content-type': 'application/json' }
      return ask(`${url}/api/core/silences`, { method: 'POST', headers, body: JSON.stringify({ for_ms: 60_000, ...more }) })
    }
    expect((await silence('bert')).status).toBe(403)
    expect((await silence('anna', { by: 'bert' })).status).toBe(400)
    expect((await silence('anna', { for_ms: -1 })).status).toBe(400)
    expect(bench.ran).toEqual([])
    expect((await silence('anna')).status).toBe(200)
    expect(bench.ran).toEqual([{ analyser: '*', source: '*', for_ms: 60_000, reason: '', by: 'anna' }])
    const audited = (name: 'anna' | 'bert') => ask(`${url}/api/audit`, { headers: { cookie: cookies[name] } })
    expect((await audited('bert')).status).toBe(403)
    const shown = JSON.parse((await audited('anna')).body) as { user: string; status: number }[]
    expect(shown.map(({ user, status }) => [user, status])).toEqual([
      ['anna', 200],
      ['anna', 400],
      ['anna', 400],
      ['bert', 403],
    ])
    const audit = readFileSync(join(bench.folder, 'console-audit.ndjson'), 'utf8').trim().split('\n')
    expect(audit.map(line => JSON.parse(line) as object)).toMatchObject([
      { user: 'bert', status: 403 },
      { user: 'anna', status: 400, given: { by: 'bert' } },
      { user: 'anna', status: 400 },
      { user: 'anna', status: 200, given: { for_ms: 60_000 } },
    ])
  })

  test('guesses are refused, and after a few of them so is everything from that address', async () => {
    const url = await startWithUsers()
    for (const name of ['anna', 'nobody', 'anna', 'anna', 'anna']) expect((await logIn(url, name, 'wrong')).status).toBe(401)
    expect((await logIn(url, 'anna')).status).toBe(429)
  })

  test('figures are given to whoever has a name and a password, without a session', async () => {
    const url = await startWithUsers()
    const metrics = (text: string) =>
      ask(`${url}/metrics`, { headers: { authorization: `Basic ${Buffer.from(text).toString('base64')}` } })
    expect((await ask(`${url}/metrics`)).status).toBe(401)
    expect((await metrics('bert:wrong')).status).toBe(401)
    expect(await metrics(`bert:${PASSWORD}`)).toMatchObject({ status: 200, body: FIGURES })
  })

  test('the file shows no password, and only its owner reads it', () => {
    expect(readFileSync(users, 'utf8')).not.toContain(PASSWORD)
    expect(statSync(users).mode & 0o077).toBe(0)
  })

  test('a file that is damaged is said at the start', () => {
    writeFileSync(join(bench.folder, 'u.json'), '{')
    return expect(bench.start({ users: join(bench.folder, 'u.json') })).rejects.toMatchObject({ code: 'config_unreadable' })
  })
})

test('for probes it shows health and figures alone, by whatever name it is asked', async () => {
  const url = await bench.start({ shows: 'health' })
  const named = { headers: { host: '10.1.2.3:8080' } }
  expect((await ask(`${url}/health`, named)).status).toBe(200)
  expect((await ask(`${url}/metrics`, named)).status).toBe(200)
  for (const path of ['/', '/status', '/api/core/status', '/api/session'])
    expect((await ask(`${url}${path}`, named)).status).toBe(404)
})

test('a port that there is not is wrong input: it was a stack trace', () => {
  const { error } = consoleOptions.safeParse({ listen: '127.0.0.1:99999' })
  expect(error?.issues).toMatchObject([{ path: ['listen'], message: 'has no port up to 65535' }])
})

test('with TLS, one that connects and says nothing is gone after ten seconds: it held one of 256 places for two minutes', async () => {
  const url = await bench.start({ tls: new TestAuthority(bench.folder).issue('core') })
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  let isClosed = false
  socket
    .on('error', () => {})
    .once('close', () => {
      isClosed = true
    })
  await until('it was closed', () => isClosed)
})

test('off this machine it wants TLS and users', () => {
  expect(consoleOptions.safeParse({ listen: '0.0.0.0:8080' }).error?.issues[0]?.message).toMatch(/needs `tls` and `users`/)
  expect(consoleOptions.safeParse({ listen: '0.0.0.0:8080', tls: { cert: 'c', key: 'k' }, users: 'u' }).success).toBe(true)
  for (const listen of ['127.0.0.1:1', 'localhost:1', '[::1]:1']) expect(consoleOptions.safeParse({ listen }).success).toBe(true)
})
