import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { duration, wholeNumber } from '../../scripts/arguments.ts'

const MODULE = new URL('../../scripts/arguments.ts', import.meta.url).href
const PROGRAM = `
  import { Command } from 'commander'
  import { readArguments, wholeNumber } from '${MODULE}'
  const { records } = readArguments(new Command('npm run it --').option('--records <count>', 'how many', wholeNumber(1), 5))
  console.log('ran with ' + records)`

async function run(...args: string[]) {
  const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM, '--', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr, status] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { status: status[0], stdout, stderr }
}

test('a script says what it takes, and nothing but one line of what is wrong', { timeout: 120_000 }, async () => {
  const [good, help, ...wrong] = await Promise.all([
    run('--records', '7'),
    run('--help'),
    run('--recods', '7'),
    run('--records', 'many'),
  ])
  expect(good).toEqual({ status: 0, stdout: 'ran with 7\n', stderr: '' })
  expect(help).toMatchObject({ status: 0, stderr: '' })
  expect(help.stdout).toContain('--records <count>')
  const says = [/^error: unknown option '--recods'/, /^error: .*'many'.*Write a whole number from 1 on/]
  for (const [at, { status, stdout, stderr }] of wrong.entries()) {
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(says[at] ?? /$^/)
    expect(stderr.trimEnd().split('\n'), 'one line, and no stack trace').toHaveLength(1)
  }
})

test('numbers and durations are held to their bounds', () => {
  expect(wholeNumber(1, 9)('9')).toBe(9)
  for (const text of ['0', '10', '1.5', '-1', '', 'x']) expect(() => wholeNumber(1, 9)(text)).toThrow(/from 1 to 9/)
  expect(duration(30_000)('1m')).toBe(60_000)
  for (const text of ['10s', 'soon', '0s']) expect(() => duration(30_000)(text)).toThrow(/30s or more/)
})

test('every script that somebody starts with options reads them this way', () => {
  const files = ['scripts', 'test/bench', 'test/simulation', 'test/model']
    .flatMap(folder => readdirSync(folder).map(name => join(folder, name)))
    .filter(file => /\.ts$/.test(file) && !/-child\.ts$|^scripts\/(arguments|test)\.ts$/.test(file))
  const others = files.filter(file => /parseArgs|process\.argv|\.parse(Async)?\(\)/.test(readFileSync(file, 'utf8')))
  expect(others).toEqual([])
})
