import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { controlStream } from '../../src/console/control-client.ts'

let folder: string
let server: Server
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-control-'))
  // Takes what comes and says nothing, as a source does that is silent.
  server = createServer(socket => socket.on('error', () => {}).resume())
  await new Promise<void>(resolve => server.listen(join(folder, 'control.sock'), resolve))
})
afterEach(() => {
  server.close()
  rmSync(folder, { recursive: true, force: true })
})

test.each(['before the process is asked', 'while it is connected to'])('a stream that is ended %s ends', async when => {
  const ended = new AbortController()
  if (when.startsWith('before')) ended.abort()
  const items = controlStream(join(folder, 'control.sock'), 'source.capture', {}, ended.signal).next()
  ended.abort()
  expect(await items).toEqual({ done: true, value: undefined })
})
