import { join } from 'node:path'
import fc from 'fast-check'
import { control } from '../../../src/console/control-client.ts'

import { ControlServer } from '../../../src/console/control-server.ts'
import { silentLogger } from '../../../src/runtime/logger.ts'
import { anyBytes, cuts, inPieces, mutated } from '../harness/bytes.ts'
import { say } from '../harness/say.ts'
import { scratchFolder } from '../harness/scratch.ts'
import { target } from '../harness/target.ts'

let path = ''
const HONEST_EVERY = 25

const CALLS = [
  '{"call":"status","args":{}}\n',
  '{"call":"constructor"}\n',
  '{"call":"__proto__","args":{"__proto__":{}}}\n',
  '{"call":"stream"}\n',
  '{"call":"status"}\n{"call":"status"}\n',
  '[[[[[[\n',
].map(text => Buffer.from(text))
let server: ControlServer | undefined
let said = 0

async function* stream(): AsyncGenerator<number> {
  for (let item = 0; item < 100; item++) yield item
}

export const targets = [
  target({
    name: 'control socket: whatever is said, the next call is answered',
    input: fc.record({ bytes: fc.oneof({ weight: 4, arbitrary: mutated(CALLS) }, anyBytes(300)), lengths: cuts }),
    runs: 400,
    async open() {
      path = join(scratchFolder(), 'control.sock')
      // A thread has no umask of its own; a process has, and that is where the socket's permissions are tested.
      process.umask = () => 0o022
      server = new ControlServer(path, { status: async () => ({ fine: true }), stream }, silentLogger)
      await server.start()
    },
    close: async () => server?.stop(),
    async run({ bytes, lengths }) {
      await say({ path }, inPieces(bytes, lengths))
      if (++said % HONEST_EVERY !== 0) return
      const answer = await control<{ fine: boolean }>(path, 'status')
      if (!answer.fine) throw new Error('an honest call was not answered')
    },
  }),
]
