import { chmodSync, chownSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { Authority } from '../../src/ca/authority.ts'
import { initAuthority, newServer, newToken, renewIssuing } from '../../src/cli/ca.ts'
import { systemClock } from '../../src/runtime/clock.ts'

/** Some user who is not root. */
const SERVICE = 4_242
const isRoot = process.getuid?.() === 0
const folders: string[] = []

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

/** The state directory of a core that runs as a service. */
function stateOfService(): string {
  const state = mkdtempSync(join(tmpdir(), 'headrace-owner-'))
  folders.push(state)
  chmodSync(state, 0o750)
  chownSync(state, SERVICE, SERVICE)
  return state
}

function asService<Result>(act: () => Result): Result {
  process.seteuid?.(SERVICE)
  try {
    return act()
  } finally {
    process.seteuid?.(0)
  }
}

const opened = (folder: string) => Authority.open({ folder, clock: systemClock, lifeMs: 1_000_000, graceMs: 0 })
const owners = (folder: string) => ['.', ...readdirSync(folder)].map(file => statSync(join(folder, file)).uid)

test.skipIf(!isRoot)('an authority that root makes for a core that runs as another user can be read by that core', async () => {
  const folder = join(stateOfService(), 'ca')
  await initAuthority({ folder, host: ['core.example'], name: 'Plant' })
  expect(new Set(owners(folder))).toEqual(new Set([SERVICE]))
  asService(() => opened(folder).close())
  await newToken({ folder }, 'gw-1', 3_600_000, [])
  await newServer({ folder }, ['other.example'], undefined)
  await renewIssuing({ folder }, join(folder, 'root.key'))
  expect(new Set(owners(folder))).toEqual(new Set([SERVICE]))
  asService(() => opened(folder).close())
})

test.skipIf(!isRoot)('a folder that the core may not look into is said to be that, and not to be empty', async () => {
  const folder = join(stateOfService(), 'ca')
  await initAuthority({ folder, host: ['core.example'], name: 'Plant' })
  chownSync(folder, 0, 0)
  expect(readFileSync(join(folder, 'issuing.crt'), 'utf8')).toContain('CERTIFICATE')
  expect(() => asService(() => opened(folder))).toThrow(
    expect.objectContaining({
      code: 'config_unreadable',
      message: `${join(folder, 'issuing.crt')} cannot be read: this user may not read it`,
      advice: expect.stringContaining('chown'),
    }),
  )
})
