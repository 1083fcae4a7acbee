import { connect } from 'node:net'
import { Writable } from 'node:stream'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ControlCalls } from '../../src/console/control-server.ts'
import { drained } from '../../src/console/drained.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { until } from '../support/until.ts'
import { ask, ConsoleBench, watch } from './console-bench.ts'

let bench: ConsoleBench
beforeEach(() => {
  bench = new ConsoleBench()
})
afterEach(() => bench.end())

test('a stream is given as events', async () => {
  const url = await bench.start()
  const { body, headers } = await ask(`${url}/api/core/tail?source=a&last=2`)
  expect(headers['content-type']).toBe('text/event-stream')
  expect(body).toBe('event: item\ndata: {"seq":0}\n\nevent: item\ndata: {"seq":1}\n\n')
})

test('HEAD of a stream is answered: it was not, and took the place of one that watches', async () => {
  const url = await bench.start()
  const { host, port } = new URL(url)
  const socket = connect(Number(port), '127.0.0.1')
  let answers = 0
  socket.on('data', part => {
    answers += part.toString().split('HTTP/1.1 200 OK').length - 1
  })
  // One connection stays open, as that of a probe does which keeps it alive.
  for (const path of ['/api/live', '/api/core/tail?source=a']) socket.write(`HEAD ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  await until('both are answered', () => answers === 2)
  socket.destroy()
})

test('a page that watches a source which says nothing is sent something now and then, so that one that has gone is noticed', async () => {
  const clock = new SimulatedClock()
  const tail: ControlCalls[string] = async function* (_args, signal) {
    yield { seq: 0 }
    await new Promise(resolve => signal.addEventListener('abort', resolve))
  }
  const url = await bench.start({}, { clock, sides: { core: { ...bench.core, tail } } })
  const page = watch(`${url}/api/core/tail?source=a`)
  await until('the first record is there', () => page.text.includes('item') || undefined)
  await clock.pass(15_000)
  await until('a sign of life is there', () => page.text.endsWith(':\n\n') || undefined)
  page.end()
})

test('a page that takes nothing more of what it is sent gives its place back: it kept it for good', async () => {
  const clock = new SimulatedClock()
  let isGone = false
  let given = 0
  const tail: ControlCalls[string] = async function* (_args, signal) {
    signal.addEventListener('abort', () => {
      isGone = true
    })
    for (;;) {
      given += 1
      yield { value: 'x'.repeat(256 * 1024) }
    }
  }
  const url = await bench.start({}, { clock, sides: { core: { ...bench.core, tail } } })
  const page = watch(`${url}/api/core/tail?source=a`)
  await until('it is answered', () => page.response)
  page.response?.pause()
  let before = -1
  await until('nothing more is taken', () => {
    const isStill = given === before
    before = given
    return isStill || undefined
  })
  await clock.pass(45_000)
  expect(isGone).toBe(false)
  await clock.pass(60_000)
  await until('it was cut off', () => isGone || undefined)
  page.end()
})

test('a slow page leaves no listeners behind, however often it is waited for', async () => {
  let most = 0
  const closing = new Writable({ highWaterMark: 1, write: (_chunk, _encoding, done) => setImmediate(done) })
  for (let waited = 0; waited < 20; waited++) {
    if (!closing.write('xx')) await drained(closing)
    most = Math.max(most, closing.listenerCount('close'))
  }
  expect(most).toBe(0)
})
