import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
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
