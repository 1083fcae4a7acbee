import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { StreamSink } from '../../src/reader/batch/sinks.ts'

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
