import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HeadraceProcess, headrace, statusOf } from '../support/headrace-process.ts'
import { until } from '../support/until.ts'
import type { UpStatus } from './up-process.ts'

/** Mounting takes root, and a system that lets it. */
function canMount(): boolean {
  try {
    execFileSync('unshare', ['-m', 'sh', '-c', 'mount --make-rprivate / && mount -o remount,bind,ro /'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** A namespace of its own, in which the state directory is a file system that can be written, and the one of all else is read-only. */
const SEALED = `
set -e
mount --make-rprivate /
mount --bind "$STATE" "$STATE"
mount -o remount,bind,ro "$(findmnt -n -o TARGET -T "$FOLDER")"
mount -o remount,bind,ro / 2>/dev/null || true
if touch "$FOLDER/written" 2>/dev/null; then echo "the root can be written" >&2; exit 99; fi
exec "$@"
`

describe.skipIf(!canMount())('a gateway whose root is read-only', () => {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-read-only-'))
  const state = join(folder, 'state')
  const file = join(folder, 'p.yaml')
  const out = join(state, 'out')
  let up: HeadraceProcess
  beforeAll(() => {
    mkdirSync(out, { recursive: true })
    writeFileSync(
      file,
      `pipeline: p
sources:
  made: { generator: { records_per_second: 20 } }
batch:
  copy: { run: [sh, -c, "cat > ${out}/copy"] }
`,
    )
    up = new HeadraceProcess({
      name: 'up',
      args: ['up', file, '--state', state, '--gateway', 'g'],
      logPath: join(folder, 'log'),
      prefix: ['unshare', '-m', 'sh', '-c', SEALED, 'sh'],
      env: { STATE: state, FOLDER: folder },
    })
  })
  afterAll(async () => {
    await up.end()
    rmSync(folder, { recursive: true, force: true })
  })

  test('reads, buffers, lays down in the log and runs batch jobs: all that it writes is in its state directory', async () => {
    up.start()
    await until('records are in the log', async () => {
      if (!up.running) throw new Error('it ended')
      const status = await statusOf<UpStatus>(['--state', state])
      return status?.edge?.sources.some(({ settled }) => settled > 20)
    })
    expect(existsSync(join(folder, 'written'))).toBe(false)
    const run = await headrace(['batch', 'run', 'copy', '--state', state])
    expect(run.code, run.stderr).toBe(0)
    expect(existsSync(join(out, 'copy'))).toBe(true)
    expect(await up.stop()).toBe(0)
  })
})
