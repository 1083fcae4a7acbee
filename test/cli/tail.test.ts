import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'
import { headrace } from '../support/headrace-process.ts'
import { until } from '../support/until.ts'
import { countTo, sequencesOf, Up } from './up-process.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

let up: Up
afterEach(() => up.end())

async function start(recordsPerSecond: number): Promise<void> {
  const generator = `{ generator: { records_per_second: ${recordsPerSecond} } }`
  up = new Up(`pipeline: plant\nsources: { a: ${generator}, b: ${generator} }\n`)
  await up.start()
  await until('some records are settled', async () => {
    const { edge } = await up.status()
    return edge.sources.every(({ settled }) => settled > 0)
  })
}

test('tail shows what comes, of all sources that a glob fits, in order', async () => {
  await start(100)
  const tail = up.follow('tail', 'plant-a-1/*', '--last', '0', '--json')
  await until('records of both', () => {
    const { a = [], b = [] } = sequencesOf(tail.lines())
    return a.length > 20 && b.length > 20
  })
  for (const found of Object.values(sequencesOf(tail.lines()))) {
    const [first = 0] = found
    expect(found).toEqual(countTo(first + found.length, first))
  }
  expect(await tail.process.stop()).toBe(0)
})

test('top whose reader has seen enough, such as head, ends: it ran on for ever, and held up whoever had called it', async () => {
  await start(10)
  const top = spawn(process.execPath, [MAIN, 'top', '--state', up.state], { stdio: ['ignore', 'pipe', 'ignore'] })
  const ended = new Promise<number | null>(resolve => top.once('exit', resolve))
  top.stdout.once('data', () => top.stdout.destroy())
  try {
    await until('it has ended', () => top.exitCode !== null, 60_000)
    expect(await ended).toBe(0)
  } finally {
    if (top.exitCode === null) top.kill('SIGKILL')
  }
})

test('tail of a source that nobody has is the wrong input', async () => {
  await start(10)
  expect(await up.run('tail', 'c')).toEqual({
    code: 2,
    stdout: '',
    stderr: 'headrace: no source in the log fits "c"\nSee "headrace status" for those that do.\n',
  })
})

test('tail ends with the process that it asks', async () => {
  await start(10)
  const tail = up.follow('tail', 'a', '--json')
  await until('a line', () => tail.lines().length > 0)
  expect(await up.process.stop()).toBe(0)
  await until('tail has ended', () => !tail.process.running)
  expect(readFileSync(tail.process.logPath, 'utf8')).not.toMatch(/^\s+at /m)
})

test('tail of so many records as no number says is the wrong input', async () => {
  await start(10)
  const { code, stderr } = await headrace(['tail', 'a', '--last', 'many', '--state', up.state], { limitMs: 5_000 })
  expect(code).toBe(2)
  expect(stderr).toContain('--last')
})

test('a person is told the units of the fields, once for each source; a program gets records alone', async () => {
  const counted = 'fields: { n: { unit: pieces } }, decode: json, generator: { records_per_second: 100, count: 5 }'
  up = new Up(`pipeline: plant\nsources: { a: { ${counted} }, b: { generator: { records_per_second: 100, count: 5 } } }\n`)
  await up.start()
  await up.drained(5)
  await until('the registry has the fields', async () => (await up.status()).core.sources.some(({ fields }) => fields['n']))
  const [person, program] = [up.follow('tail', '*'), up.follow('tail', '*', '--json')]
  const said = (of: typeof person) => readFileSync(of.process.logPath, 'utf8')
  await until('a person has all', () => said(person).split(' plant-a-1/').length > 10)
  await until('a program has all', () => program.lines().length === 10)
  expect(said(person).match(/^plant-a-1\/.*$/gm)).toEqual(['plant-a-1/a: n (pieces)'])
  expect(said(program)).not.toContain('pieces')
})
