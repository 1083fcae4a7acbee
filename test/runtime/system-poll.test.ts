import { closeSync, constants, openSync } from 'node:fs'
import { expect, test } from 'vitest'
import { Pty } from '../../hardware/simulators/pty.ts'
import { POLL_FD_BYTES, POLL_IN, systemPoll } from '../../src/runtime/system-poll.ts'
import { until } from '../support/until.ts'

test('the system says of real ports which can be read, and which have ended', async () => {
  const poll = await systemPoll()
  if (!poll) throw new Error('this machine has no way to the system')
  const ptys = [await Pty.open(), await Pty.open(), await Pty.open()]
  const opened = ptys.map(({ path }) => openSync(path, constants.O_RDONLY | constants.O_NOCTTY | constants.O_NONBLOCK))
  const fds = Buffer.alloc(opened.length * POLL_FD_BYTES)
  const look = () => {
    for (const [index, fd] of opened.entries()) {
      fds.writeInt32LE(fd, index * POLL_FD_BYTES)
      fds.writeInt16LE(POLL_IN, index * POLL_FD_BYTES + 4)
    }
    const count = poll(fds, opened.length, 0)
    return [count, ...opened.map((_, index) => fds.readInt16LE(index * POLL_FD_BYTES + 6))]
  }
  try {
    expect(look()).toEqual([0, 0, 0, 0])
    ptys[1]?.write('21.5\r\n')
    await until('the second can be read', () => look()[2] === POLL_IN)
    expect(look()).toEqual([1, 0, POLL_IN, 0])
    await ptys[2]?.close()
    await until('the third has ended', () => look()[3] !== 0)
    expect(look().slice(0, 3)).toEqual([2, 0, POLL_IN])
  } finally {
    for (const fd of opened) closeSync(fd)
    for (const pty of ptys) await pty.close()
  }
})
