import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { StreamSink } from '../../src/reader/batch/sinks.ts'
import { LineWriter } from '../../src/reader/render/line-writer.ts'

const REFUSED = { code: 'command_failed', message: 'the command stopped reading before it had all records' }

test('a command that ended before it was fed made the run wait for ever, for what nobody would read', async () => {
  const command = spawn('true', { stdio: ['pipe', 'ignore', 'ignore'] })
  const { stdin } = command
  const closed = once(stdin, 'close')
  await once(command, 'close')
  await closed
  expect(stdin.errored).toBeNull()
  const sink = new StreamSink(stdin)
  await expect(sink.write('g/a', [Buffer.from('one\n')])).rejects.toMatchObject(REFUSED)
  await expect(new StreamSink(stdin).end()).rejects.toMatchObject(REFUSED)
})

test('a command that reads all of it is fed', async () => {
  const command = spawn('cat', { stdio: ['pipe', 'pipe', 'ignore'] })
  const sink = new StreamSink(command.stdin)
  await sink.write('g/a', [Buffer.from('one\n'), Buffer.from('two\n')])
  await sink.end()
  expect((await command.stdout.toArray()).join('')).toBe('one\ntwo\n')
})

/** What a command read of many lines, and what was written; `after` says when a chunk is given back. */
async function throughChunks(after: (chunk: Buffer, giveBack: (chunk: Buffer) => void) => void) {
  const command = spawn('cat', { stdio: ['pipe', 'pipe', 'ignore'] })
  const read = command.stdout.toArray()
  const sink = new StreamSink(command.stdin)
  const writer = new LineWriter()
  const memory = new Set<ArrayBufferLike>()
  const written = createHash('sha256')
  for (let line = 0; line < 50_000; line++) {
    const text = `${line} ${'x'.repeat(line % 100)}\n`
    written.update(text)
    writer.text(text)
    const chunks = writer.take(128 * 1024)
    for (const chunk of chunks) memory.add(chunk.buffer)
    await sink.write('g/a', chunks, chunk => after(chunk, writer.giveBack))
  }
  await sink.write('g/a', writer.take(0))
  await sink.end()
  const found = createHash('sha256').update(Buffer.concat(await read))
  return { isSame: found.digest('hex') === written.digest('hex'), chunks: memory.size }
}

test('chunks are written again when the command has them, and not before: what it reads is what was written', async () => {
  const { isSame, chunks } = await throughChunks((chunk, giveBack) => giveBack(chunk))
  expect(isSame).toBe(true)
  expect(chunks).toBeLessThan(12)
  const kept = await throughChunks(() => {})
  expect(kept).toMatchObject({ isSame: true })
  expect(kept.chunks).toBeGreaterThan(15)
})

test('a chunk that is given back is written over: whoever still reads it would see that', () => {
  const writer = new LineWriter()
  writer.text('as it was written')
  const [chunk] = writer.take(0)
  if (!chunk) throw new Error('nothing was taken')
  const before = chunk.toString()
  writer.giveBack(chunk)
  for (let line = 0; line < 8; line++) writer.text('x'.repeat(80_000))
  expect(chunk.toString()).not.toBe(before)
})
