import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { headrace } from '../support/headrace-process.ts'

const has = (program: string) => spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0
let folder: string
let bash: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-completion-'))
  bash = join(folder, 'headrace.bash')
  writeFileSync(bash, (await headrace(['completion', 'bash'])).stdout)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** What bash offers behind these words. */
function offered(...words: readonly string[]): string[] {
  const list = words.map(word => `'${word}'`).join(' ')
  const script = `source '${bash}'; COMP_WORDS=(headrace ${list}); COMP_CWORD=${words.length}; _headrace; printf '%s\\n' "\${COMPREPLY[@]}"`
  return spawnSync('bash', ['-c', script], { cwd: folder, encoding: 'utf8' })
    .stdout.split('\n')
    .filter(word => word !== '')
}

test.skipIf(!has('bash'))('bash completes commands, their own commands, options, choices and files', () => {
  writeFileSync(join(folder, 'edge.yaml'), '')
  expect(offered('sta')).toEqual(['status'])
  expect(offered('batch', 'ru')).toEqual(['run', 'runs'])
  expect(offered('status', '--js')).toEqual(['--json'])
  expect(offered('edge', '--log-level', 'wa')).toEqual(['warn'])
  expect(offered('edge', '--config', 'ed')).toEqual(['edge.yaml'])
})

test.skipIf(!has('zsh'))('zsh reads its own completion', async () => {
  const file = join(folder, '_headrace')
  writeFileSync(file, (await headrace(['completion', 'zsh'])).stdout)
  expect(spawnSync('zsh', ['-n', file], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' })
})

test('the man page names every command and every option', async () => {
  const [{ stdout: page }, { stdout: help }] = await Promise.all([headrace(['completion', 'man']), headrace(['--help'])])
  const commands = [...help.matchAll(/^ {2}([a-z-]+) /gm)].map(match => match[1] ?? '').filter(name => name !== 'help')
  expect(commands.length).toBeGreaterThan(15)
  for (const name of commands) expect(page).toContain(`headrace ${name.replaceAll('-', '\\-')}`)
  expect(page).toContain('\\-\\-accept\\-loss')
  // What an option is unless it is given was in --help alone.
  expect(page).toContain('\nhow long it may take (15s unless set)\n')
  expect(page).toContain('\nwhom it is about (edge, core; edge unless set)\n')
})
