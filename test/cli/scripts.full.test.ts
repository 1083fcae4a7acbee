import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'

const SCRIPTS = [
  ...['bundle', 'demo', 'fuzz', 'profile', 'sbom', 'screenshots', 'soak'].map(name => `scripts/${name}.ts`),
  ...['main', 'analysers', 'console', 'dictionary', 'footprint', 'serial-fleet'].map(name => `test/bench/${name}.ts`),
  'test/simulation/main.ts',
  'test/model/main.ts',
]

function run(script: string, arg: string) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, arg], { encoding: 'utf8', timeout: 60_000 })
  return { status, stdout, stderr }
}

test.each(SCRIPTS)('%s says what it takes, and what it does not', script => {
  const help = run(script, '--help')
  expect(help).toMatchObject({ status: 0, stderr: '' })
  expect(help.stdout).toMatch(/^Usage: /)
  const wrong = run(script, '--no-such-option')
  expect(wrong).toMatchObject({ status: 2, stdout: '' })
  expect(wrong.stderr).toMatch(/^error: unknown option '--no-such-option'.*\n$/)
})
