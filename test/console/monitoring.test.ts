import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { type AllInOne, startAll } from '../../src/cli/all-in-one.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { until } from '../support/until.ts'

const PROMETHEUS = fileURLToPath(new URL('../../deploy/prometheus', import.meta.url))
const DASHBOARD = fileURLToPath(new URL('../../deploy/grafana/headrace.json', import.meta.url))

let folder: string
let all: AllInOne
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-monitoring-'))
  const file = join(folder, 'p.yaml')
  writeFileSync(file, 'pipeline: p\nsources: { a: { generator: { records_per_second: 50 } } }\n')
  all = await startAll({ files: [file], state: join(folder, 'state'), gateway: 'gw', log: silentLogger })
})
afterAll(async () => {
  await all?.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** What edge and core really say, as Prometheus reads it. */
async function figures(): Promise<{ names: Set<string>; text: string }> {
  const signal = AbortSignal.timeout(10_000)
  const parts = await Promise.all([all.edge, all.core].map(side => side.calls['metrics']?.({}, signal)))
  const text = parts.join('')
  return { names: new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(match => match[1] ?? '')), text }
}

/** Names of series in an expression: what is neither a function nor a label. */
function seriesIn(expression: string): string[] {
  return [...expression.matchAll(/\b(?:headrace|process)_[a-z_]+/g)].map(match => match[0])
}

function expressionsOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(expressionsOf)
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, each]) =>
    ['expr', 'definition'].includes(key) ? [String(each)] : expressionsOf(each),
  )
}

describe('what deploy/ knows of the figures', () => {
  test.each([
    ['the dashboard', () => JSON.parse(readFileSync(DASHBOARD, 'utf8')) as unknown],
    ['the alert rules', () => parse(readFileSync(join(PROMETHEUS, 'headrace.rules.yml'), 'utf8')) as unknown],
  ])('%s names only figures that edge and core have', async (_name, read) => {
    const { names } = await figures()
    const used = expressionsOf(read()).flatMap(seriesIn)
    expect(used.length).toBeGreaterThan(10)
    expect([...new Set(used)].filter(name => !names.has(name))).toEqual([])
    expect(seriesIn('rate(headrace_source_records_red_total[1m])').filter(name => !names.has(name))).toHaveLength(1)
  })

  test('the figures of a source that runs rise', async () => {
    await until('records are counted', async () =>
      /^headrace_source_records_read_total\{source="a"\} [1-9]/m.test((await figures()).text),
    )
    await until('the core heard the gateway', async () =>
      /^headrace_gateway_heard_timestamp_seconds\{gateway="gw"\} \d/m.test((await figures()).text),
    )
  })
})

describe('promtool', () => {
  const promtool = (...args: string[]) => execFileSync('promtool', args, { cwd: PROMETHEUS, encoding: 'utf8', stdio: 'pipe' })

  test('reads what a core and a gateway say', async () => {
    const { text } = await figures()
    // Both say what any process says: to Prometheus they are two targets.
    const { status, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input: text.slice(text.lastIndexOf('# HELP headrace_build_info')),
    })
    expect([status, String(stderr)]).toEqual([0, ''])
  })

  test('reads the rules and the example, and sees rules fire and not fire', () => {
    expect(promtool('check', 'config', 'prometheus.example.yml')).toContain('SUCCESS: 13 rules found')
    expect(promtool('test', 'rules', 'headrace.rules.test.yml')).toContain('SUCCESS')
  })

  test('and would see a rule that does not fire any more', () => {
    cpSync(PROMETHEUS, folder, { recursive: true })
    const rules = readFileSync(join(PROMETHEUS, 'headrace.rules.yml'), 'utf8')
    writeFileSync(join(folder, 'headrace.rules.yml'), rules.replace('headrace_link_up == 0', 'headrace_link_up == 2'))
    const { status } = spawnSync('promtool', ['test', 'rules', 'headrace.rules.test.yml'], { cwd: folder })
    expect(status).toBe(1)
  })
})
