import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** Of 10; what systemd-analyze says of a service that is not sandboxed at all is 9.6. */
const EXPOSURE_MAX = 2
const has = (program: string) => spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0

/** How exposed a unit is, by `systemd-analyze security`. */
function exposure(unit: string): number {
  const { stdout } = spawnSync('systemd-analyze', ['security', '--offline=yes', unit], { encoding: 'utf8' })
  const found = /Overall exposure level for \S+: ([\d.]+)/.exec(stdout)
  if (!found) throw new Error(`systemd-analyze says nothing of ${unit}:\n${stdout}`)
  return Number(found[1])
}

describe.skipIf(!has('systemd-analyze'))('units', () => {
  test.each(['edge', 'core'])('of the %s: the sandbox lets little through', role => {
    expect(exposure(join(ROOT, `deploy/systemd/headrace-${role}.service`))).toBeLessThan(EXPOSURE_MAX)
  })

  test('one without its sandbox is found out', () => {
    const folder = mkdtempSync(join(tmpdir(), 'headrace-unit-'))
    const open = join(folder, 'headrace-open.service')
    const text = readFileSync(join(ROOT, 'deploy/systemd/headrace-edge.service'), 'utf8')
    writeFileSync(open, text.replace(/^(Protect|Restrict|SystemCall|Capability|Device).*$/gm, ''))
    expect(exposure(open)).toBeGreaterThan(EXPOSURE_MAX)
    rmSync(folder, { recursive: true })
  })

  test.each(['edge', 'core'])('of the %s: systemctl reload has it look at its files, which it does at SIGHUP', role => {
    const text = readFileSync(join(ROOT, `deploy/systemd/headrace-${role}.service`), 'utf8')
    expect(text).toMatch(/^ExecReload=\/bin\/kill -HUP \$MAINPID$/m)
  })

  test.each(['edge', 'core'])('of the %s: systemd knows every word of it', role => {
    const { stderr } = spawnSync(
      'systemd-analyze',
      ['verify', '--man=no', join(ROOT, `deploy/systemd/headrace-${role}.service`)],
      {
        encoding: 'utf8',
      },
    )
    // The program is not installed where the tests run.
    const left = stderr.split('\n').filter(line => line.includes('headrace') && !line.includes('is not executable'))
    expect(left).toEqual([])
  })
})

test.skipIf(!has('shellcheck'))('shell scripts have nothing that shellcheck finds', () => {
  const files = ['install.sh', 'deploy/bundle/headrace', '.ci/run']
  const { stdout, status } = spawnSync('shellcheck', files, { cwd: ROOT, encoding: 'utf8' })
  expect(stdout).toBe('')
  expect(status).toBe(0)
})
