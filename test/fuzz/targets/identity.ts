import { join } from 'node:path'
import fc from 'fast-check'
import { identityReplySchema } from '../../../src/amqp/identity-messages.ts'
import { readJson } from '../../../src/amqp/read-json.ts'
import { Authority } from '../../../src/ca/authority.ts'
import { newKey, newRequest } from '../../../src/ca/certificates.ts'
import { readIdentity, takeIssued, writeIdentity } from '../../../src/ca/gateway-identity.ts'
import { fingerprintOf } from '../../../src/ca/pem.ts'
import { decodeToken } from '../../../src/ca/token.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { HeadraceError } from '../../../src/runtime/errors.ts'
import { anyBytes, mutated } from '../harness/bytes.ts'
import { scratchFolder } from '../harness/scratch.ts'
import { target } from '../harness/target.ts'

const GATEWAY = 'gw-1'
const DAY_MS = 86_400_000

interface Issue {
  readonly key: string
  readonly root: string
  readonly issued: { readonly chain: string; readonly root: string }
}

/** What an authority of ours gives a gateway, and another authority. */
async function issue(folder: string, of: string): Promise<Issue> {
  const ca = join(folder, of)
  await Authority.init(ca, systemClock, { name: of, hosts: ['127.0.0.1'] })
  const authority = Authority.open({ folder: ca, clock: systemClock, lifeMs: DAY_MS, graceMs: 0 })
  const key = await newKey()
  const { secret } = decodeToken(authority.newToken(GATEWAY, DAY_MS, []))
  const issued = await authority.enroll(GATEWAY, secret, await newRequest(key, GATEWAY))
  authority.close()
  if ('refused' in issued) throw new Error(issued.refused)
  return { key, root: fingerprintOf(authority.root), issued }
}

let folder = ''
let own: Issue | undefined
/** What is valid: there before the first input is drawn. Keys are made anew each time: a seed brings back where they are changed, not the very bytes. */
const replies: Buffer[] = []

export const targets = [
  target({
    name: 'certificates that a core gives: what is kept can be read, and is from whom is trusted; all else is refused in its words',
    input: fc.oneof({ weight: 20, arbitrary: fc.nat(4).chain(at => mutated([replies[at] ?? Buffer.alloc(0)])) }, anyBytes(80)),
    runs: 600,
    async open() {
      folder = scratchFolder()
      own = await issue(folder, 'ours')
      const other = await issue(folder, 'theirs')
      const valid = [
        own.issued,
        other.issued,
        { chain: own.issued.chain, root: other.issued.root },
        { due: true },
        { error: { code: 'a', message: 'b', advice: 'c' } },
      ]
      replies.push(...valid.map(reply => Buffer.from(JSON.stringify({ version: 1, ...reply }))))
    },
    run(body) {
      const message = readJson(identityReplySchema, body)
      if ('wrong' in message || !('chain' in message.read) || !own) return
      const { key, root } = own
      let content: string
      try {
        content = takeIssued(message.read, { gateway: GATEWAY, key, root })
      } catch (error) {
        if (error instanceof HeadraceError && error.code === 'link_refused') return
        throw error
      }
      const path = join(folder, 'identity.pem')
      writeIdentity(path, content)
      const identity = readIdentity(path)
      if (identity?.gateway !== GATEWAY || fingerprintOf(identity.root) !== root) throw new Error('another identity was kept')
    },
  }),
]
