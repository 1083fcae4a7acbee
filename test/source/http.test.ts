import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { httpOptions } from '../../src/source/http.ts'
import { until } from '../support/until.ts'
import { SourceBench } from './harness.ts'

let bench: SourceBench
let folder: string
let server: Server | undefined
beforeEach(() => {
  bench = new SourceBench()
  folder = mkdtempSync(join(tmpdir(), 'headrace-http-'))
})
afterEach(async () => {
  await bench.end()
  server?.closeAllConnections()
  server?.close()
  server = undefined
  rmSync(folder, { recursive: true, force: true })
})

async function serve(port: number, answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<void> {
  const listening = createServer(answer)
  server = listening
  await new Promise<void>(resolve => listening.listen(port, '127.0.0.1', () => resolve()))
}

describe('polling', () => {
  test('asks with its headers and a token that may change, and takes each body', async () => {
    const port = await freePort()
    const token = join(folder, 'token')
    writeFileSync(token, 'first\n')
    const asked: unknown[] = []
    await serve(port, (request, response) => {
      asked.push([request.method, request.headers.authorization, request.headers['x-site']])
      response.end(`{"n":${asked.length}}`)
    })
    const url = `http://127.0.0.1:${port}/data`
    bench.start('http', { url, every: '50ms', bearer_file: token, headers: { 'x-site': 'north' } }, { decode: 'json' })
    await until('an answer', () => bench.records.length >= 1)
    expect(asked[0]).toEqual(['GET', 'Bearer first', 'north'])
    writeFileSync(token, 'second')
    await until('the new token', () => (asked.at(-1) as string[])[1] === 'Bearer second')
    expect(bench.texts[0]).toBe('{"n":1}')
  })

  test('every 30 days is not every millisecond', async () => {
    const port = await freePort()
    await serve(port, (_request, response) => response.end('{}'))
    bench.start('http', { url: `http://127.0.0.1:${port}/data`, every: '30d' })
    await until('an answer', () => bench.records.length >= 1)
    await new Promise(resolve => setTimeout(resolve, 50))
    expect(bench.records).toHaveLength(1)
  })

  test('a server that is away, answers badly, too long or not at all is counted and said, and asked again', async () => {
    const port = await freePort()
    const options = { url: `http://127.0.0.1:${port}/`, every: '50ms', timeout: '300ms', max_bytes: '10B' }
    const runner = bench.start('http', options)
    const away = await until('it waits', () => runner.status().state === 'waiting' && runner.status())
    expect(away.reason).toContain('ECONNREFUSED')
    let how = 'bad'
    await serve(port, (_request, response) => {
      if (how === 'bad') response.writeHead(500).end('oh')
      else if (how === 'long') response.end('x'.repeat(100_000))
      else if (how === 'good') response.end('good')
    })
    await until('500', () => runner.status().reason?.endsWith('answers 500'))
    how = 'mute'
    await until('a time-out', () => runner.status().reason?.endsWith('no answer after 300 ms'))
    how = 'long'
    await until('it was too long', () => (runner.status().trouble['an answer was too long'] ?? 0) > 0)
    how = 'good'
    await until('a record', () => bench.texts.includes('good'))
    expect(new Set(bench.texts)).toEqual(new Set(['good']))
  })
})

describe('what a server answers with', () => {
  const zeros = Buffer.alloc(4_000_000)
  const packed = { gzip: gzipSync('packed'), br: brotliCompressSync('packed') }
  const bombs = { gzip: gzipSync(zeros), br: brotliCompressSync(zeros) }

  test.each(['gzip', 'br'] as const)('%s is unpacked, and no further than its limit', async packing => {
    const port = await freePort()
    await serve(port, (request, response) => {
      response.setHeader('content-encoding', packing)
      response.end((request.url === '/bomb' ? bombs : packed)[packing])
    })
    bench.start('http', { url: `http://127.0.0.1:${port}/`, every: '50ms' })
    await until('a record', () => bench.texts.includes('packed'))
    const bomb = bench.start('http', { url: `http://127.0.0.1:${port}/bomb`, every: '50ms' }, { name: 'bomb' })
    await until('it was too long', () => (bomb.status().trouble['an answer was too long'] ?? 0) > 0)
    expect(bomb.status().read).toBe(0)
  })

  test('garbage that says it is packed, and an answer that breaks off, are failures and no records', async () => {
    const port = await freePort()
    await serve(port, (request, response) => {
      if (request.url === '/torn') {
        response.writeHead(200, { 'content-length': 100 })
        response.write('half', () => response.destroy())
      } else response.writeHead(200, { 'content-encoding': 'gzip' }).end('this is no gzip')
    })
    for (const path of ['garbage', 'torn']) {
      const runner = bench.start('http', { url: `http://127.0.0.1:${port}/${path}`, every: '50ms' }, { name: path })
      await until('it failed twice', () => (runner.status().trouble['a request failed'] ?? 0) >= 2)
    }
    expect(bench.records).toEqual([])
  })
})

describe('redirections', () => {
  test('are followed, a POST by 307 with its body; a token does not go to another server', async () => {
    const [port, elsewhere] = [await freePort(), await freePort()]
    const token = join(folder, 'token')
    writeFileSync(token, 'secret')
    const seen: unknown[] = []
    const other = createServer((request, response) => {
      seen.push([request.headers.authorization, request.headers['x-key']])
      response.end('from elsewhere')
    })
    await new Promise<void>(resolve => other.listen(elsewhere, '127.0.0.1', () => resolve()))
    await serve(port, async (request, response) => {
      if (request.url === '/away') response.writeHead(302, { location: `http://127.0.0.1:${elsewhere}/` }).end()
      else if (request.url === '/here') response.writeHead(307, { location: '/there' }).end()
      else {
        const parts = await request.toArray()
        response.end(`${request.method} ${request.headers.authorization} ${Buffer.concat(parts)}`)
      }
    })
    const options = { every: '50ms', bearer_file: token, headers: { 'X-Key': 'k' } }
    bench.start('http', { ...options, url: `http://127.0.0.1:${port}/here`, method: 'POST', body: 'ask' })
    await until('the answer', () => bench.texts.includes('POST Bearer secret ask'))
    bench.start('http', { ...options, url: `http://127.0.0.1:${port}/away` }, { name: 'away' })
    await until('another answer', () => bench.texts.includes('from elsewhere'))
    expect(seen[0]).toEqual([undefined, undefined])
    other.closeAllConnections()
    other.close()
  })

  test('that lead round for ever, or to something that is not asked by HTTP, are said', async () => {
    const port = await freePort()
    await serve(port, (request, response) => {
      const location = request.url === '/file' ? 'file:///etc/passwd' : request.url
      response.writeHead(302, { location }).end()
    })
    const reasons = { round: 'leads on more than 5 times', file: 'leads to file:' }
    for (const [path, reason] of Object.entries(reasons)) {
      const runner = bench.start('http', { url: `http://127.0.0.1:${port}/${path}`, every: '50ms' }, { name: path })
      await until('it says so', () => runner.status().reason?.endsWith(reason))
    }
  })
})

test('a user and a password are shown to the server as basic authentication; half of it is a wrong option', async () => {
  const port = await freePort()
  const password = join(folder, 'password')
  writeFileSync(password, 'open sesame\n')
  await serve(port, (request, response) => response.end(request.headers.authorization))
  bench.start('http', { url: `http://127.0.0.1:${port}/`, every: '50ms', username: 'plant', password_file: password })
  await until('a record', () => bench.texts.includes(`Basic ${Buffer.from('plant:open sesame').toString('base64')}`))
  const wrong = httpOptions.safeParse({ url: 'http://a/', username: 'plant' })
  expect(wrong.error?.issues[0]?.message).toContain('needs both `username` and `password_file`')
})

test('connections are kept between requests; one that the server has let go of is no failure', async () => {
  const port = await freePort()
  const ports = new Set<number | undefined>()
  let asked = 0
  await serve(port, (request, response) => {
    asked += 1
    ports.add(request.socket.remotePort)
    // Every third request on a kept connection is not answered: the connection is let go of instead.
    if (asked % 3 === 0 && ports.has(request.socket.remotePort)) request.socket.resetAndDestroy()
    else response.end(String(asked))
  })
  const runner = bench.start('http', { url: `http://127.0.0.1:${port}/`, every: '50ms' })
  await until('some', () => bench.records.length >= 8)
  expect(runner.status().trouble).toEqual({})
  expect(ports.size).toBeLessThan(asked)
})

describe('a webhook', () => {
  async function listen(options: object = {}) {
    const port = await freePort()
    const runner = bench.start('webhook', { listen: `127.0.0.1:${port}`, path: '/in', max_bytes: '1KB', ...options })
    await until('it listens', () => runner.status().state === 'reading')
    const post = (body: string, more: RequestInit = {}, path = '/in') =>
      fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', body, ...more })
    return { runner, post }
  }

  test('answers 200 when the record is stored, and not before', async () => {
    const { post } = await listen()
    const stored = Promise.withResolvers<void>()
    bench.stored = () => stored.promise
    let status: number | undefined
    const posted = post('{"t":1}').then(response => {
      status = response.status
    })
    await until('the record', () => bench.records.length === 1)
    // Whatever is ready to run has run: an answer that did not wait would be here.
    expect(await Promise.race([posted.then(() => 'answered'), new Promise(resolve => setTimeout(resolve, 100, 'waits'))])).toBe(
      'waits',
    )
    stored.resolve()
    await posted
    expect(status).toBe(200)
  })

  test('a wrong token, path or method, an empty body and one that is too long are refused and counted', async () => {
    const token = join(folder, 'token')
    writeFileSync(token, 'secret')
    const { post, runner } = await listen({ bearer_file: token })
    const known = { headers: { authorization: 'Bearer secret' } }
    expect((await post('x')).status).toBe(401)
    expect((await post('x', { headers: { authorization: 'Bearer secre1' } })).status).toBe(401)
    expect((await post('x', known, '/other')).status).toBe(404)
    expect((await post('', known)).status).toBe(400)
    expect((await post('x'.repeat(2_000), known)).status).toBe(413)
    expect((await post('x', { ...known, method: 'PATCH' })).status).toBe(405)
    expect((await post('good', known)).status).toBe(200)
    expect(bench.texts).toEqual(['good'])
    expect(runner.status().trouble).toEqual({
      'answered 401': 2,
      'answered 404': 1,
      'answered 400': 1,
      'answered 413': 1,
      'answered 405': 1,
    })
  })

  test('without room whoever posts is told to come again; what was taken and waits is answered when it is stored', async () => {
    const { post, runner } = await listen()
    bench.full = true
    const held = post('held')
    await until('it is blocked', () => runner.status().state === 'blocked')
    const refused = await post('later')
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).toBe('5')
    bench.roomAgain()
    expect((await held).status).toBe(200)
    expect((await post('again')).status).toBe(200)
    expect(bench.texts).toEqual(['held', 'again'])
  })
})
