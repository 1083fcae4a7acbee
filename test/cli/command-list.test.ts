import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { COMMANDS, commandsFor } from '../../src/cli/commands.ts'

test('each command is listed under its own name', async () => {
  for (const [name, load] of Object.entries(COMMANDS)) expect((await load())().name()).toBe(name)
})

test('every file of commands is in the list', async () => {
  const files = readdirSync(new URL('../../src/cli/commands', import.meta.url)).filter(name => name !== 'log-level.ts')
  // capture.ts has two.
  expect(Object.keys(COMMANDS)).toHaveLength(files.length + 1)
})

test.each([
  [['edge', '--config', 'edge.yaml'], 1],
  [['toString'], Object.keys(COMMANDS).length],
  [['--help'], Object.keys(COMMANDS).length],
  [[], Object.keys(COMMANDS).length],
  // It completes all of them.
  [['completion', 'bash'], Object.keys(COMMANDS).length],
])('%j loads %i', async (args, count) => {
  expect(await commandsFor(args)).toHaveLength(count)
})

test('what an option is unless set is said with its unit: that of --within was 15000, which --within then refused, and that of replay --to was now, in ms', async () => {
  const commands = await Promise.all(Object.values(COMMANDS).map(async load => (await load())()))
  const all = commands.flatMap(command => [command, ...command.commands])
  const said = all.flatMap(command =>
    command.options
      .filter(({ flags, defaultValue }) => /<(duration|size|time)>/.test(flags) && defaultValue !== undefined)
      .map(({ flags, defaultValue, defaultValueDescription }) => `${flags} ${defaultValueDescription ?? defaultValue}`),
  )
  expect(said).toContain('--within <duration> 15s')
  for (const each of said) expect(each).toMatch(/ \d+(ms|s|m|h|KiB|MiB)$/)
})
