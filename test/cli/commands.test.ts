import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { HeadraceProcess, headrace } from '../support/headrace-process.ts'
import { until } from '../support/until.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-cli-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function write(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

/** Runs a command; nobody is ever shown a stack. */
async function run(...args: string[]) {
  const result = await headrace(args, { cwd: folder })
  expect(result.stderr).not.toMatch(/^\s+at .+:\d+:\d+/m)
  return result
}

describe('exit codes and what is said', () => {
  test('validate: 0 where nothing is wrong, 2 with the place where something is', async () => {
    const good = write('good.yaml', 'pipeline: plant\nsources: { a: { generator: {} } }\n')
    const bad = write('bad.yaml', 'pipeline: plant\nsources: { a: { genrator: {} } }\n')
    expect(await run('validate', good)).toMatchObject({ code: 0, stdout: '1 file checked, nothing wrong\n' })
    const wrong = await run('validate', good, bad)
    expect(wrong.code).toBe(2)
    expect(wrong.stderr).toContain(`${bad}:2:17: unknown key "genrator" in a; did you mean "generator"?`)
    expect(await run('validate', join(folder, 'none.yaml'))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('none.yaml'),
    })
  })

  test('validate --schema prints JSON', async () => {
    const { code, stdout } = await run('validate', '--schema')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ properties: { sources: {} } })
  })

  test.each([
    [['frobnicate'], 2, /unknown command/],
    [['validate', '--frobnicate'], 2, /unknown option/],
    [['validate'], 2, /name a file/],
    [['edge'], 2, /--config/],
    [['up'], 2, /missing required argument/],
    [['batch', 'list', '--state', 'nowhere'], 1, /no core is running/],
    [['tail', 'pump', '--state', 'nowhere'], 1, /no core is running/],
    [['edge', '--config', 'none.yaml'], 2, /none\.yaml/],
  ] as const)('%j: %i', async (args, code, said) => {
    const result = await run(...args)
    expect(result.code).toBe(code)
    expect(result.stderr).toMatch(said)
  })

  test('status of nothing is an answer, not an error', async () => {
    expect(await run('status')).toMatchObject({ code: 0, stdout: expect.stringContaining('Nothing is running') })
    const { stdout } = await run('status', '--json')
    expect(JSON.parse(stdout)).toEqual({ running: false })
  })

  test('--version and --help, with an example', async () => {
    expect((await run('--version')).stdout).toMatch(/^\d+\.\d+\.\d+ \(build \S+, Node \S+, linux-\w+\)\n$/)
    expect((await run('up', '--help')).stdout).toContain('headrace up pipelines/')
  })
})

describe('up', () => {
  test('a second one on the same state is refused, the first goes on, and ends well', async () => {
    const pipeline = write('p.yaml', 'pipeline: plant\nsources: { a: { generator: { records_per_second: 100 } } }\n')
    const state = join(folder, 'state')
    const args = ['up', pipeline, '--state', state]
    const first = new HeadraceProcess({ name: 'up', args, logPath: join(folder, 'log') })
    first.start()
    try {
      const settled = async () => {
        const { stdout } = await run('status', '--state', state, '--json')
        const status = JSON.parse(stdout)
        return status.edge?.sources[0]?.settled as number | undefined
      }
      const before = await until('records are settled', async () => (await settled()) || undefined)
      const second = await run(...args)
      expect(second.code).toBe(1)
      expect(second.stderr).toMatch(/another process|in use|locked/i)
      await until('the first goes on', async () => ((await settled()) ?? 0) > before)
      const tailed = await run('tail', 'nobody', '--state', state)
      expect(tailed).toMatchObject({ code: 2, stderr: expect.stringContaining('nobody') })
      expect(await first.stop()).toBe(0)
    } finally {
      await first.end()
    }
  })

  test('a device that is missing does not keep the others from being read', async () => {
    const pipeline = write(
      'p.yaml',
      'pipeline: plant\nsources:\n  missing: { serial: { path: /dev/no-such-port } }\n  there: { generator: { records_per_second: 50 } }\n',
    )
    const state = join(folder, 'state')
    const up = new HeadraceProcess({ name: 'up', args: ['up', pipeline, '--state', state], logPath: join(folder, 'log') })
    up.start()
    try {
      const sources = await until('the other is settled', async () => {
        const { stdout } = await run('status', '--state', state, '--json')
        const found = JSON.parse(stdout).edge?.sources as
          | { source: string; state: string; reason: string; settled: number }[]
          | undefined
        return (found?.find(({ source }) => source === 'there')?.settled ?? 0) > 0 && found
      })
      expect(sources.find(({ source }) => source === 'missing')).toMatchObject({
        state: 'waiting',
        reason: expect.stringContaining('/dev/no-such-port'),
      })
    } finally {
      await up.end()
    }
  })
})
