import { mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { install, installFailingAt } from '../support/install-run.ts'
import { bareRoot, snapshot, tinyBundle } from '../support/tiny-bundle.ts'

/** Commands that may fail are more than this; were they fewer, the shims would not be what is run. */
const FAILURES_MIN = 20

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-steps-'))
  writeFileSync(join(folder, 'edge.yaml'), 'gateway: g1\nstate: /var/lib/headrace\n')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test.each(['the first version', 'the next one'])(
  'whichever step fails, everything is as it was: %s',
  async which => {
    const root = bareRoot(mkdtempSync(join(folder, 'root-')))
    const [first, second] = ['1.0.0', '1.1.0'].map(version => tinyBundle(mkdtempSync(join(folder, 'b-')), { version }))
    const args = (bundle = '') => ['--role', 'edge', '--root', root, '--config', join(folder, 'edge.yaml'), '--offline', bundle]
    const isNext = which === 'the next one'
    if (isNext) expect(await install(args(first))).toMatchObject({ code: 0 })
    const before = snapshot(root)
    let failed = 0
    for (let n = 1; ; n += 1) {
      const { code, said, commands } = await installFailingAt(n, args(isNext ? second : first), folder)
      if (code === 0) {
        // Either nothing failed any more, or only the tidying up behind an installation that is whole.
        expect(commands).toBeGreaterThan(FAILURES_MIN)
        expect(readlinkSync(join(root, 'opt/headrace/current')), said).toBe(`versions/${isNext ? '1.1.0' : '1.0.0'}+aaaa`)
        break
      }
      failed += 1
      expect(snapshot(root), `command ${n}:\n${said}`).toEqual(before)
    }
    expect(failed).toBeGreaterThan(FAILURES_MIN)
  },
  600_000,
)
